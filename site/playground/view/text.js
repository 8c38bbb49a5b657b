// The text that the model in view writes: as it is trained, now beside before, or when the reader asks for it.
//
// Bytes are shown as they arrive, through one decoder. On a first visit the gallery's first model starts to write.

import {
  button, count, download, duration, el, field, fold, heading, mainButton, menu, numberInput, options, percent,
  readNumber, statusLine, textBox,
} from "../dom.js";
import { openFiles, openGallery } from "../models.js";
import { TOYS } from "../toys.js";
import { explained } from "./explain.js";

const SHOWN = 30_000; // characters at least; an endless text would slow the page down
const KEPT = "kept "; // before an id, in the menu of models; no gallery model has a name with blanks

// A training in the browser's storage, in the menu.
function keptName({ about, updates, savedAt }) {
  const saved = new Date(savedAt);
  const today = saved.toDateString() === new Date().toDateString();
  const when = today ? saved.toLocaleTimeString("en-GB", { timeStyle: "short" }) : saved.toLocaleDateString("en-GB");
  return `${about}, ${count(updates)} steps, kept here ${when}`;
}

// The model in view, in words and links.
function describe(model, offered) {
  if (!model && offered) return [`No model is loaded yet; writing loads ${offered.title}.`];
  if (!model) return ["No model yet: train one, or open a checkpoint."];
  const { about, parameters, nLayers, dModel, nHeads, contextLength, updates } = model;
  return [
    `${about}: ${count(parameters)} `,
    explained("parameters", "parameters"),
    `, ${nLayers} layers, width ${dModel}, ${nHeads} heads, `,
    explained("context", `context ${contextLength}`),
    `${updates ? `, ${count(updates)} steps in this browser` : ""}.`,
  ];
}

/** Fill the part's element. */
export function textPart(part, app) {
  const about = el("p", { class: "tgp-model" });
  const choice = app.starter(menu([]));
  const tokens = numberInput(400, 1, 1_000_000);
  const temperature = numberInput(0.8, 0, 10, "any");
  const topK = numberInput(0, 0, 256);
  const seed = numberInput(0, 0, 2 ** 32 - 1);
  const start = app.starter(mainButton("Write"), { between: true });
  const stop = button("Stop writing", { disabled: true });
  const status = statusLine();
  const bound = { tokens, temperature, topk: topK, textseed: seed };
  for (const [name, control] of Object.entries(bound)) app.address.bind(name, control);

  // ---- the model in view -------------------------------------------------------------------------------------------

  const { models } = app.index;
  const choiceField = field("Model", choice);
  app.onModel((model) => {
    about.replaceChildren(...describe(model, app.offered));
    const choices = models.map(({ name, title }) => [name, title]);
    for (const training of app.kept) choices.push([KEPT + training.kept, keptName(training)]);
    const name = model?.kept ? KEPT + model.kept : (model?.about ?? app.offered?.name);
    // A model that cannot be chosen again, such as a file's, is shown as long as it is in use.
    if (name && !choices.some(([value]) => value === name)) choices.push([name, model?.about ?? name]);
    choice.replaceChildren(...options(choices));
    choice.value = name ?? "";
    choiceField.hidden = !choices.length;
  });
  const use = async (title, open) => {
    status.textContent = `Loading ${title}…`;
    app.setModel((await open()).model);
    status.textContent = "";
  };
  choice.addEventListener("change", () => {
    const entry = models.find(({ name }) => name === choice.value);
    app.work(status, async () => {
      try {
        if (entry) await use(entry.title, () => openGallery(app, entry));
        else await use("the training", () => app.client.call("restore", { kept: choice.value.slice(KEPT.length) }));
      } catch (error) {
        await app.readKept();
        app.setModel(app.model); // sets the menu back to the model in use
        throw error;
      }
      if (entry) app.words.suggest(entry.prompt);
    });
  });

  // ---- now and before ----------------------------------------------------------------------------------------------

  const now = textBox("The text it writes now");
  const before = textBox("The text it wrote before");
  const [nowName, beforeName] = ["", ""].map((text) => el("span", { class: "tgp-caption" }, text));
  const follow = button("Follow the training", { hidden: true });
  const back = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "An earlier text" });
  const past = el("div", { class: "tgp-page", hidden: true }, el("p", {}, beforeName), before, back);
  let samples = []; // {step, text, score} of the training in view
  let prompt = "";
  let toy = null;
  let asked = false; // the reader has asked for a text of their own during the training

  // Of a toy task, each line is marked as right or wrong.
  const marked = (line) => el(toy.isRight(line) ? "ins" : "del", {}, `${line}\n`);
  const shown = (target, text) => {
    if (toy) target.replaceChildren(...text.trimEnd().split("\n").map(marked));
    else target.replaceChildren(el("span", { class: "tgp-prompt" }, prompt), text);
  };
  const right = (score) => (score === undefined ? "" : ` · ${percent(score)} right`);
  const named = ({ step, score }) => `after ${count(step)} steps${right(score)}`;
  const show = () => {
    const newest = samples.at(-1);
    if (!newest) return;
    if (!asked) {
      shown(now, newest.text);
      nowName.textContent = `Now, ${named(newest)}`;
    }
    back.max = Math.max(0, samples.length - 2);
    const earlier = samples[Math.min(back.valueAsNumber, samples.length - 1)];
    if (beforeName.dataset.step !== String(earlier.step)) shown(before, earlier.text);
    beforeName.dataset.step = earlier.step;
    beforeName.textContent = `Before, ${named(earlier)}`;
  };
  app.on("run", (run) => {
    if (!run.continued) samples = [];
    [prompt, toy, asked] = [run.prompt, TOYS[run.toy] ?? null, false];
    back.value = 0;
    past.hidden = false;
    delete beforeName.dataset.step;
    follow.hidden = true;
    part.dataset.training = "true";
  });
  app.on("news", ({ step, sample, score }) => {
    if (sample === undefined) return;
    samples.push({ step, text: sample, score });
    part.dataset.samples = samples.length;
    show();
  });
  app.on("end", () => {
    delete part.dataset.training;
    follow.hidden = true;
  });
  back.addEventListener("input", show);
  follow.addEventListener("click", () => {
    asked = false;
    follow.hidden = true;
    show();
  });

  // ---- writing -----------------------------------------------------------------------------------------------------

  const write = async () => {
    const message = {
      prompt: app.words.text,
      count: readNumber(tokens, "Tokens"),
      temperature: readNumber(temperature, "Temperature"),
      topK: readNumber(topK, "Top-k"),
      seed: readNumber(seed, "Seed of the text"),
    };
    await app.needModel(status);
    const decoder = new TextDecoder();
    const continuation = document.createTextNode("");
    asked = true;
    follow.hidden = !part.dataset.training;
    nowName.textContent = app.model?.about ?? "";
    now.replaceChildren(el("span", { class: "tgp-prompt" }, message.prompt), continuation);
    status.textContent = "Reading the prompt…";
    stop.disabled = false;
    const speed = ({ n, firstTokenMs, tokensPerSecond }) =>
      `${count(n)} tokens · ${count(tokensPerSecond)} tokens per second · ` +
      `first token after ${duration(firstTokenMs / 1000)}`;
    const progress = (news) => {
      const end = now.scrollTop + now.clientHeight >= now.scrollHeight - 4;
      continuation.appendData(decoder.decode(news.bytes, { stream: true }));
      if (continuation.length > 2 * SHOWN) continuation.deleteData(0, continuation.length - SHOWN);
      if (end) now.scrollTop = now.scrollHeight;
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
  stop.addEventListener("click", () => app.client.control("stop", { of: "generate" }));

  part.replaceChildren(
    heading("Text", choiceField),
    about,
    el(
      "div",
      { class: "tgp-pages" },
      el("div", { class: "tgp-page" }, el("p", {}, nowName), now, follow),
      past,
    ),
    el("p", { class: "tgp-buttons" }, start, stop),
    status,
    fold(
      "How it chooses",
      el(
        "div",
        { class: "tgp-fields" },
        field("Tokens", tokens),
        field("Temperature", temperature, "0: the likeliest each time"),
        field("Top-k", topK, "0: all"),
        field("Seed of the text", seed),
      ),
      el(
        "p",
        { class: "tgp-note" },
        "Each token is drawn ",
        explained("choosing", "from the probabilities"),
        "; ",
        explained("cache", "a cache"),
        " keeps what was read.",
      ),
    ),
    fold("Files of the model", ...fileControls(app, status, use)),
  );
  return () => app.work(status, write);
}

// ---- files ---------------------------------------------------------------------------------------------------------

const BINARY = "application/octet-stream";

function fileControls(app, status, use) {
  const files = app.starter(el("input", { type: "file", multiple: true, accept: ".json,.safetensors" }));
  const control = (text, task, between = true) => {
    const made = app.starter(button(text), { between });
    made.addEventListener("click", () => app.work(status, task));
    return made;
  };
  const weights = control("Download model.safetensors", async () =>
    download("model.safetensors", [(await app.client.call("export")).weights], BINARY),
  );
  const config = control("Download config.json", async () => {
    const { config: text, tokenizer } = await app.client.call("export");
    if (tokenizer) download("tokenizer.json", [tokenizer], "application/json");
    download("config.json", [text], "application/json");
  });
  const snapshot = control("Download the whole training", async () => {
    const { file, step } = await app.client.call("snapshot");
    download(`training-${step}.safetensors`, [file], BINARY);
  });
  const erase = control("Delete the saved model", async () => {
    const { model } = await app.client.call("delete");
    await app.readKept();
    app.setModel(model);
    status.textContent = "Deleted from this browser. Until you reload the page, it is still the model in view.";
  });
  app.onModel((model) => {
    weights.hidden = config.hidden = !model;
    snapshot.hidden = !model?.updates && !model?.training;
    erase.hidden = !model?.kept;
  });
  files.addEventListener("change", () => {
    const chosen = [...files.files];
    files.value = ""; // so that the same files can be chosen again
    if (chosen.length) app.work(status, () => use("the checkpoint", () => openFiles(app, chosen)));
  });
  return [
    field("Open a checkpoint", files, "config.json, model.safetensors and tokenizer.json together, or a whole training; they stay on this device"),
    el("p", { class: "tgp-buttons" }, weights, config, snapshot, erase),
  ];
}
