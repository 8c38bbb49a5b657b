// Types out the recorded text of a model, and lets the model itself write when the reader asks for it: only then are the
// playground's worker and the model's file fetched. Readers who prefer reduced motion see the whole text at once.
(() => {
  "use strict";

  const PLAYGROUND = new URL("../generated/playground/", document.currentScript.src);
  const TYPED = 2; // characters at a time
  const EVERY_MS = 30;
  const TOKENS = 1200;
  const TEMPERATURE = 0.8;
  let leave = () => {};

  // The untyped rest stays in its place, unseen, so that nothing moves.
  const typeOut = (page) => {
    const rest = document.createElement("span");
    rest.className = "tg-writing__rest";
    rest.append(...page.childNodes);
    const typed = document.createTextNode("");
    page.append(typed, rest);
    const text = rest.firstChild;
    const timer = setInterval(() => {
      typed.appendData(text.substringData(0, TYPED));
      text.deleteData(0, TYPED);
      if (!text.length) clearInterval(timer);
    }, EVERY_MS);
    return () => clearInterval(timer);
  };

  const load = async (name) => {
    const modules = ["client.js", "models.js"].map((file) => import(new URL(file, PLAYGROUND)));
    const [{ Client }, { openGallery }] = await Promise.all(modules);
    const answer = await fetch(new URL("index.json", PLAYGROUND));
    if (!answer.ok) throw new Error("The list of models could not be loaded.");
    const entry = (await answer.json()).models.find((model) => model.name === name);
    if (!entry) throw new Error(`The model ${name} is not here.`);
    const client = new Client(new URL("worker.js", PLAYGROUND));
    await client.call("start", {});
    await openGallery({ client, url: (path) => new URL(path, PLAYGROUND) }, entry);
    return { client, prompt: entry.prompt };
  };

  const write = async ({ client, prompt }, page, status) => {
    const decoder = new TextDecoder();
    const text = document.createTextNode(prompt);
    page.replaceChildren(text);
    const begun = performance.now();
    const progress = ({ bytes }) => {
      text.appendData(decoder.decode(bytes, { stream: true }));
      page.scrollTop = page.scrollHeight;
      const rate = ((text.length - prompt.length) * 1000) / (performance.now() - begun);
      status.textContent = `written in this tab, ${Math.round(rate).toLocaleString("en")} letters a second`;
    };
    const seed = Math.floor(Math.random() * 2 ** 32);
    await client.call("generate", { prompt, count: TOKENS, temperature: TEMPERATURE, topK: 0, seed }, { progress });
  };

  const mount = (figure) => {
    const page = figure.querySelector("pre");
    const live = figure.querySelector(".tg-writing__live");
    const [button, status] = live.children;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const stopTyping = still ? () => {} : typeOut(page);
    let loaded = null;
    let left = false;
    live.hidden = false;
    button.addEventListener("click", async () => {
      stopTyping();
      button.disabled = true;
      status.textContent = loaded ? "" : "loading…";
      try {
        loaded ??= await load(figure.dataset.model);
        if (left) loaded.client.close();
        else await write(loaded, page, status);
        button.textContent = "Write another";
      } catch (error) {
        status.textContent = error.message;
      }
      button.disabled = false;
    });
    return () => {
      left = true;
      stopTyping();
      loaded?.client.close();
    };
  };

  const onPage = () => {
    leave();
    const figure = document.querySelector(".tg-writing");
    leave = figure ? mount(figure) : () => {};
  };

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
