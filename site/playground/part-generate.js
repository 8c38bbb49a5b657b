// Generate: choose or open a model, and watch it write. Bytes are shown as they arrive, through one decoder.

import { count, duration, el, field, menu, numberInput, readNumber } from "./dom.js";
import { openFiles, openGallery } from "./models.js";

const SHOWN = 30_000; // characters at least; a text that grows without end would slow the page down

function describe(model, gallery) {
  if (!model && gallery) return "No model is loaded yet; writing loads the chosen one.";
  if (!model) return "No model yet: open a checkpoint, or train one below.";
  const { about, parameters, nLayers, dModel, nHeads, contextLength, updates } = model;
  const trained = updates ? `, ${count(updates)} steps in this browser` : "";
  const shape = `${nLayers} layers, width ${dModel}, ${nHeads} heads, context ${contextLength}`;
  return `${about}: ${count(parameters)} parameters, ${shape}${trained}.`;
}

/** Fill the place. */
export function generatePart(place, app) {
  const about = el("p", { class: "tgp-model" });
  const files = el("input", { type: "file", multiple: true, accept: ".json,.safetensors" });
  const prompt = el("textarea", { rows: 2, spellcheck: "false" }, "Once upon a time");
  const tokens = numberInput(400, 1, 1_000_000);
  const temperature = numberInput(0.8, 0, 10, "any");
  const topK = numberInput(40, 0, 256);
  const seed = numberInput(0, 0, 2 ** 32 - 1);
  const start = app.starter(el("button", { type: "button", class: "md-button md-button--primary" }, "Write"));
  const stop = el("button", { type: "button", class: "md-button", disabled: true }, "Stop");
  const status = el("p", { class: "tgp-status", role: "status" });
  const written = el("pre", { class: "tgp-text", role: "group", tabindex: 0, "aria-label": "Generated text" });

  const { models } = app.index;
  const gallery = menu(models.map(({ name, title }) => [name, title]));
  const fromGallery = () =>
    openGallery(
      app,
      models.find(({ name }) => name === gallery.value),
    );
  app.onModel((model) => (about.textContent = describe(model, models.length > 0)));
  const use = async (open) => {
    status.textContent = "Loading the model…";
    app.setModel((await open()).model);
    status.textContent = "";
  };
  files.addEventListener("change", () => {
    const chosen = [...files.files];
    files.value = ""; // so that the same files can be chosen again
    if (chosen.length) app.work(status, () => use(() => openFiles(app, chosen)));
  });
  gallery.addEventListener("change", () => app.work(status, () => use(fromGallery)));

  const write = async () => {
    const message = {
      prompt: prompt.value,
      count: readNumber(tokens, "Tokens"),
      temperature: readNumber(temperature, "Temperature", false),
      topK: readNumber(topK, "Top-k"),
      seed: readNumber(seed, "Seed"),
    };
    if (!app.model && models.length) await use(fromGallery);
    const decoder = new TextDecoder();
    const continuation = document.createTextNode("");
    written.replaceChildren(el("span", { class: "tgp-prompt" }, prompt.value), continuation);
    status.textContent = "Reading the prompt…";
    stop.disabled = false;
    const tell = ({ n, firstTokenMs, tokensPerSecond }) =>
      `${count(n)} tokens · ${count(tokensPerSecond)} tokens per second · ` +
      `first token after ${duration(firstTokenMs / 1000)}`;
    const progress = (news) => {
      const follow = written.scrollTop + written.clientHeight >= written.scrollHeight - 4;
      continuation.appendData(decoder.decode(news.bytes, { stream: true }));
      if (continuation.length > 2 * SHOWN) continuation.deleteData(0, continuation.length - SHOWN);
      if (follow) written.scrollTop = written.scrollHeight;
      status.textContent = tell(news);
    };
    try {
      const result = await app.client.call("generate", message, { progress });
      status.textContent = `${tell(result)}${result.stopped ? " · stopped" : ""}`;
    } finally {
      continuation.appendData(decoder.decode());
      stop.disabled = true;
    }
  };
  start.addEventListener("click", () => app.work(status, write));
  stop.addEventListener("click", () => app.client.control("stop"));

  place.replaceChildren(
    about,
    el(
      "div",
      { class: "tgp-fields" },
      ...(models.length ? [field("Model", gallery)] : []),
      field("Open a checkpoint", files, "config.json and model.safetensors, together; they stay on this device"),
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
}
