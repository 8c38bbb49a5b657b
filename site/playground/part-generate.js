// Generate: choose or open a model, and watch it write. Bytes are shown as they arrive, through one decoder. On a first
// visit the gallery's first model starts to write.

import {
  button, count, duration, el, field, mainButton, menu, numberInput, options, readNumber, statusLine,
} from "./dom.js";
import { openFiles, openGallery } from "./models.js";

const SHOWN = 30_000; // characters at least; an endless text would slow the page down
const UNASKED_BYTES = 4_000_000; // largest model to load without a click
const KEPT = "in this browser"; // in the menu of models; no gallery model has a name with blanks

function describe(model, offered) {
  if (!model && offered) return `No model is loaded yet; writing loads ${offered.title}.`;
  if (!model) return "No model yet: open a checkpoint, or train one below.";
  const { about, parameters, nLayers, dModel, nHeads, contextLength, updates } = model;
  const trained = updates ? `, ${count(updates)} steps in this browser` : "";
  const shape = `${nLayers} layers, width ${dModel}, ${nHeads} heads, context ${contextLength}`;
  return `${about}: ${count(parameters)} parameters, ${shape}${trained}.`;
}

/** Fill the part's element. */
export function generatePart(part, app) {
  const about = el("p", { class: "tgp-model" });
  const files = app.starter(el("input", { type: "file", multiple: true, accept: ".json,.safetensors" }));
  const prompt = el("textarea", { rows: 2, spellcheck: "false" }, app.offered?.prompt ?? "Once upon a time");
  const tokens = numberInput(400, 1, 1_000_000);
  const temperature = numberInput(0.8, 0, 10, "any");
  const topK = numberInput(0, 0, 256);
  const seed = numberInput(0, 0, 2 ** 32 - 1);
  const start = app.starter(mainButton("Write"));
  const stop = button("Stop", { disabled: true });
  const status = statusLine();
  const written = el("pre", { class: "tgp-text", role: "group", tabindex: 0, "aria-label": "Generated text" });

  const { models } = app.index;
  const choice = app.starter(menu([]));
  const choiceField = field("Model", choice);
  app.onModel((model) => {
    about.textContent = describe(model, app.offered);
    const choices = models.map(({ name, title }) => [name, title]);
    if (app.kept) choices.push([KEPT, `${app.kept}, kept in this browser`]);
    const name = model?.kept ? KEPT : (model?.about ?? app.offered?.name);
    // A model that cannot be chosen again, such as a file's, is shown as long as it is in use.
    if (name && !choices.some(([value]) => value === name)) choices.push([name, name]);
    choice.replaceChildren(...options(choices));
    choice.value = name ?? "";
    choiceField.hidden = !choices.length;
  });
  const use = async (title, open) => {
    status.textContent = `Loading ${title}…`;
    app.setModel((await open()).model);
    status.textContent = "";
  };
  files.addEventListener("change", () => {
    const chosen = [...files.files];
    files.value = ""; // so that the same files can be chosen again
    if (chosen.length) app.work(status, () => use("the checkpoint", () => openFiles(app, chosen)));
  });
  choice.addEventListener("change", () => {
    const entry = models.find(({ name }) => name === choice.value);
    app.work(status, async () => {
      try {
        if (entry) await use(entry.title, () => openGallery(app, entry));
        else await use(app.kept, () => app.client.call("restore"));
      } catch (error) {
        app.setModel(app.model); // sets the menu back to the model in use
        throw error;
      }
      if (entry && models.some((model) => model.prompt === prompt.value)) prompt.value = entry.prompt;
    });
  });

  const write = async () => {
    const message = {
      prompt: prompt.value,
      count: readNumber(tokens, "Tokens"),
      temperature: readNumber(temperature, "Temperature", false),
      topK: readNumber(topK, "Top-k"),
      seed: readNumber(seed, "Seed"),
    };
    await app.needModel(status);
    const decoder = new TextDecoder();
    const continuation = document.createTextNode("");
    written.replaceChildren(el("span", { class: "tgp-prompt" }, prompt.value), continuation);
    status.textContent = "Reading the prompt…";
    stop.disabled = false;
    const speed = ({ n, firstTokenMs, tokensPerSecond }) =>
      `${count(n)} tokens · ${count(tokensPerSecond)} tokens per second · ` +
      `first token after ${duration(firstTokenMs / 1000)}`;
    const progress = (news) => {
      const follow = written.scrollTop + written.clientHeight >= written.scrollHeight - 4;
      continuation.appendData(decoder.decode(news.bytes, { stream: true }));
      if (continuation.length > 2 * SHOWN) continuation.deleteData(0, continuation.length - SHOWN);
      if (follow) written.scrollTop = written.scrollHeight;
      status.textContent = speed(news);
    };
    try {
      const result = await app.client.call("generate", message, { progress });
      status.textContent = `${speed(result)}${result.stopped ? " · stopped" : ""}`;
    } finally {
      continuation.appendData(decoder.decode());
      stop.disabled = true;
    }
  };
  start.addEventListener("click", () => app.work(status, write));
  stop.addEventListener("click", () => app.client.control("stop"));

  part.replaceChildren(
    about,
    el(
      "div",
      { class: "tgp-fields" },
      choiceField,
      field(
        "Open a checkpoint",
        files,
        "config.json, model.safetensors and tokenizer.json, together; they stay on this device",
      ),
    ),
    field("Prompt", prompt),
    el(
      "div",
      { class: "tgp-fields" },
      field("Tokens", tokens),
      field("Temperature", temperature, "0: the likeliest each time"),
      field("Top-k", topK, "0: all"),
      field("Seed", seed),
    ),
    el("p", { class: "tgp-buttons" }, start, stop),
    status,
    written,
  );
  return () => {
    const saveData = navigator.connection?.saveData === true;
    if (app.offered && app.offered.bytes <= UNASKED_BYTES && !saveData) app.work(status, write);
  };
}
