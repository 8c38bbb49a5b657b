// Train: a text, a size and a button. The news of a run go to the other parts; settings are folded away.

import {
  button, copy, count, duration, el, field, fold, mainButton, megabytes, menu, numberInput, readNumber, statusLine,
} from "../dom.js";
import { fetchText } from "../models.js";
import { TOYS } from "../toys.js";
import { explained } from "./explain.js";

const OWN_TEXT = "own";
const LONGEST_OWN = 5_000_000; // characters
const FIRST_SIZE = "small";
const TOY_SIZE = "tiny"; // learns every toy task in seconds
const TEXT_SETTINGS = { steps: 500, learningRate: 0.001 };
const EASY = ["tiny", "small", "medium"]; // presets that a tab trains in minutes
const PATIENCE_SECONDS = 600;
const LIMIT_BYTES = 2 ** 31;
const HIDDEN_SHARE = 0.25; // of the time, in which a hidden tab computes

function textMenu(corpora) {
  const group = (label, choices) =>
    el("optgroup", { label }, ...choices.map(([value, text]) => el("option", { value }, text)));
  const toys = Object.entries(TOYS).map(([name, { title }]) => [name, title.toLowerCase()]);
  return el(
    "select",
    {},
    group("Texts", corpora.map(({ name, title }) => [name, title])),
    group("Toy tasks, learned in seconds", toys),
    group("Yours", [[OWN_TEXT, "my own text"]]),
  );
}

// The estimate of a training as sentences; `bad` if this device cannot do it.
function outlook({ bytes, secondsPerStep, warning }, steps, easy) {
  const seconds = steps * secondsPerStep;
  const memory = navigator.deviceMemory ? Math.min(LIMIT_BYTES, navigator.deviceMemory * 2 ** 29) : LIMIT_BYTES;
  if (bytes > memory) {
    return {
      bad: true,
      text: `This needs ${megabytes(bytes)} of memory, more than this device gives a tab. Choose a smaller size.`,
    };
  }
  const pace = secondsPerStep === null ? "" : `About ${duration(secondsPerStep)} a step, ${duration(seconds)} in all, `;
  const sentences = [
    `${pace}${megabytes(bytes)} of memory.`,
    easy || !pace ? "" : "This model is large for a browser tab.",
    seconds > PATIENCE_SECONDS ? "That is long for a browser tab: try fewer steps or a smaller size." : "",
    warning,
  ];
  return { bad: false, text: sentences.filter(Boolean).join(" ") };
}

// The model to train, and its batch: of a preset's size, or a given one.
function shapeOf(presets, size, given) {
  const same = ({ nLayers, dModel, contextLength }) =>
    nLayers === given.nLayers && dModel === given.dModel && contextLength === given.contextLength;
  const preset = presets.find(given ? same : ({ name }) => name === size);
  return {
    config: given ?? { ...preset, eps: 1e-5 },
    batchSize: preset?.batchSize ?? (given.contextLength > 128 ? 4 : 16),
    easy: preset ? EASY.includes(preset.name) : given.parameters <= presets[EASY.length - 1].parameters,
  };
}

/** Fill the part's element. */
export function trainPart(part, app) {
  const { presets, corpora } = app.index;
  const size = menu(presets.map(({ name, parameters }) => [name, `${name}, ${count(parameters)} parameters`]));
  const corpus = textMenu(corpora);
  const own = el("textarea", {
    rows: 5, spellcheck: "false", maxlength: LONGEST_OWN, placeholder: "Paste a text here. It stays on this device.",
  });
  const steps = numberInput(TEXT_SETTINGS.steps, 1, 1_000_000);
  const rate = numberInput(TEXT_SETTINGS.learningRate, 0.000001, 1, "any");
  const seed = numberInput(0, 0, 2 ** 32 - 1);
  const start = app.starter(mainButton("Train"));
  const further = app.starter(button("Continue"));
  const pause = button("Pause", { disabled: true });
  const stop = button("Stop", { disabled: true });
  const link = button("Copy link", {}, "tgp-quiet");
  const copied = el("span", { class: "tgp-note", role: "status" });
  const done = el("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const [expected, status] = [statusLine(), statusLine()];
  const ownField = field("Your text", own);
  const hiddenNote = slowWhenHidden(app, () => !stop.disabled);
  size.value = FIRST_SIZE;
  app.address.bind("text", corpus);
  const asked = TOYS[corpus.value]; // a link to a toy task begins with the task's own settings
  if (asked) [size.value, steps.value, rate.value] = [TOY_SIZE, asked.settings.steps, asked.settings.learningRate];
  for (const [name, control] of Object.entries({ size, steps, rate, seed })) app.address.bind(name, control);

  // ---- choices -----------------------------------------------------------------------------------------------------

  const entryOf = (name) => corpora.find((entry) => entry.name === name);
  const titleOf = (name) => TOYS[name]?.title.toLowerCase() ?? entryOf(name)?.title ?? "your text";
  const promptOf = (name) =>
    TOYS[name] ? TOYS[name].questions(TOYS[name].parts(0).heldOut, 1)[0] : entryOf(name)?.prompt;
  const bytesOf = async (name) => {
    if (name in TOYS) return new Uint8Array(); // the worker writes it
    if (name !== OWN_TEXT) return fetchText(app, entryOf(name));
    if (!own.value.trim()) throw new Error("The text is empty. Paste some, or choose another.");
    return new TextEncoder().encode(own.value);
  };

  // Estimates after every change, and shows only the newest answer; returns true if this device cannot do it.
  let latest = 0;
  const showEstimate = async (given = null) => {
    const turn = ++latest;
    const nBytes = entryOf(corpus.value)?.bytes ?? new TextEncoder().encode(own.value).length;
    const { config, batchSize, easy } = shapeOf(presets, size.value, given);
    const message = { config, batchSize, nBytes: corpus.value in TOYS ? Infinity : Math.floor(nBytes * 0.9) };
    try {
      const answer = await app.client.call("estimate", message);
      if (turn !== latest) return null;
      const { bad, text } = outlook(answer, Number(steps.value) || 0, easy);
      expected.classList.toggle("tgp-bad", bad);
      expected.textContent = text;
      return bad;
    } catch (error) {
      expected.textContent = error.message;
      return true;
    }
  };
  const change = () => {
    ownField.hidden = corpus.value !== OWN_TEXT;
    if (!start.disabled) showEstimate();
  };
  let wasToy = corpus.value in TOYS;
  const chooseText = () => {
    const toy = TOYS[corpus.value];
    const settings = toy?.settings ?? TEXT_SETTINGS;
    if (toy || wasToy) [steps.value, rate.value] = [settings.steps, settings.learningRate];
    if (toy) {
      size.value = TOY_SIZE;
      app.words.suggest(promptOf(corpus.value));
    }
    wasToy = Boolean(toy);
    app.address.write();
  };
  corpus.addEventListener("change", chooseText);
  for (const control of [size, corpus, steps, own]) control.addEventListener("change", change);
  app.on("try", ({ text, steps: wanted }) => {
    [corpus.value, own.value, size.value, steps.value] = [OWN_TEXT, text, "tiny", wanted];
    chooseText();
    change();
    start.focus();
  });
  app.onModel((model) => {
    further.hidden = !model || Boolean(model.training);
    if (model) further.textContent = model.run ? "Continue" : `Fine-tune ${model.about}`;
  });

  // ---- a run -------------------------------------------------------------------------------------------------------

  const newRun = async (given) => {
    const name = corpus.value;
    const { config, batchSize } = shapeOf(presets, size.value, given);
    const title = given?.about.replace(/, trained on .*/, "") ?? size.value;
    return {
      config,
      batchSize,
      from: given ? "loaded" : "scratch",
      text: await bytesOf(name),
      toy: name in TOYS ? name : "",
      corpus: name,
      about: `${title}, trained on ${titleOf(name)}`,
      seed: readNumber(seed, "Seed"),
      learningRate: readNumber(rate, "Learning rate"),
    };
  };
  // The model's own run, which goes on to the bit. The worker has its text, the page only a text of the site's.
  const sameRun = async (model) => ({
    ...model.run,
    config: model,
    about: model.about,
    text: entryOf(model.run.corpus) ? await bytesOf(model.run.corpus) : new Uint8Array(),
    continueFrom: "model",
  });

  const lossesOf = ({ losses, heldOut }) => [losses.at(-1)?.[1], heldOut].map((loss) => loss?.toFixed(3) ?? "not yet");
  const train = async (given) => {
    const planned = readNumber(steps, "Steps");
    const goesOn = Boolean(given?.run);
    app.words.suggest(promptOf(goesOn ? given.run.corpus : corpus.value) ?? app.words.text);
    if ((await showEstimate(given)) === true) throw new Error("This cannot be trained here; see above.");
    const run = { ...(goesOn ? await sameRun(given) : await newRun(given)), steps: planned };
    run.prompt = app.words.within(run.config.contextLength);
    let news = { losses: [] }; // the last of each kind
    let model = app.model; // comes back into view if the training fails
    status.textContent = "Making the model…";
    done.value = 0;
    pause.disabled = stop.disabled = false;
    pause.textContent = "Pause";
    if (document.activeElement === document.body) pause.focus({ preventScroll: true });
    app.setModel({ ...run.config, about: run.about, updates: 0, kept: false, run: null, training: true });
    app.tell("run", { ...run, continued: goesOn });
    const progress = (piece) => {
      news = { ...news, ...piece, losses: piece.losses.length ? piece.losses : news.losses };
      const [loss, heldOut] = lossesOf(news);
      const pace = news.stepsPerSecond
        ? ` · ${news.stepsPerSecond.toPrecision(3)} steps per second · ${duration(news.secondsLeft)} left`
        : "";
      status.textContent = `Step ${count(news.step)} · loss ${loss} · held out ${heldOut}${pace}`;
      done.value = news.done / planned;
      app.tell("news", piece);
    };
    try {
      const result = await app.client.call("train", run, { progress });
      model = result.model;
      const taken = `${count(result.done)} ${goesOn ? "more " : ""}steps`;
      const how = result.stopped ? `Stopped after ${taken}` : `Done: ${taken}`;
      const [loss, heldOut] = lossesOf(news);
      status.textContent = `${how} · loss ${loss} · held out ${heldOut} · ${result.storage}`;
    } finally {
      pause.disabled = stop.disabled = true;
      app.setModel(model);
      app.tell("end");
    }
  };
  start.addEventListener("click", () => app.work(status, () => train(null), true));
  further.addEventListener("click", () => app.work(status, () => train(app.model), true));
  stop.addEventListener("click", () => app.client.control("stop", { of: "train" }));
  pause.addEventListener("click", () => {
    const resume = pause.textContent === "Resume";
    app.client.control(resume ? "resume" : "pause", { of: "train" });
    pause.textContent = resume ? "Pause" : "Resume";
  });
  link.addEventListener("click", () => copy(app.address.link(), copied));

  part.replaceChildren(
    el(
      "div",
      { class: "tgp-toolbar" },
      field("Text", corpus),
      field("Size", size),
      el("div", { class: "tgp-buttons" }, start, further, pause, stop),
    ),
    ownField,
    expected,
    done,
    status,
    hiddenNote,
    fold(
      "Settings",
      el(
        "div",
        { class: "tgp-fields" },
        field("Steps", steps),
        field("Learning rate", rate),
        field("Seed", seed, "the same seed gives the same run"),
      ),
      el("p", { class: "tgp-note" }, "The rate is about the size of a step of ", explained("update", "AdamW"), "."),
    ),
    el("p", { class: "tgp-share" }, link, " ", copied),
  );
  change();
}

// A hidden tab computes in a part of the time; its title says so meanwhile, and a line afterwards.
function slowWhenHidden(app, isTraining) {
  const line = el("p", { class: "tgp-note", role: "status" });
  const title = document.title;
  const change = () => {
    app.client.control("pace", { share: document.hidden ? HIDDEN_SHARE : 1 });
    const slowed = document.hidden && isTraining();
    document.title = slowed ? `Slower while hidden · ${title}` : title;
    if (slowed) line.textContent = "While this tab was hidden, training went on at a quarter of its speed.";
  };
  document.addEventListener("visibilitychange", change);
  app.onEnd(() => document.removeEventListener("visibilitychange", change));
  app.on("run", () => (line.textContent = ""));
  return line;
}
