// Train: a preset on a text, with its loss and samples; saved in this browser until the reader deletes it.

import { lineChart } from "./chart.js";
import {
  button, count, download, duration, el, field, mainButton, megabytes, menu, numberInput, readNumber, statusLine,
} from "./dom.js";
import { fetchText } from "./models.js";

const OWN_TEXT = "own";
const EASY = ["tiny", "small", "medium"]; // presets that a tab trains in minutes
const PATIENCE_SECONDS = 600;
const LIMIT_BYTES = 2 ** 31;

async function textOf(app, choice, own) {
  if (choice !== OWN_TEXT) {
    const entry = app.index.corpora.find(({ name }) => name === choice);
    return { bytes: await fetchText(app, entry), name: entry.title };
  }
  if (!own.trim()) throw new Error("The text is empty. Paste some, or choose another.");
  return { bytes: new TextEncoder().encode(own), name: "your text" };
}

// The estimate of a training as sentences; `bad` if this device cannot do it.
function outlook({ bytes, secondsPerStep, warning }, steps, easy) {
  const seconds = steps * secondsPerStep;
  const memory = navigator.deviceMemory ? Math.min(LIMIT_BYTES, navigator.deviceMemory * 2 ** 29) : LIMIT_BYTES;
  if (bytes > memory) {
    return {
      bad: true,
      text: `This needs ${megabytes(bytes)} of memory, more than this device gives a tab. Choose a smaller preset.`,
    };
  }
  const pace = secondsPerStep === null ? "" : `About ${duration(secondsPerStep)} a step, ${duration(seconds)} in all. `;
  const sentences = [
    `${pace}${megabytes(bytes)} of memory.`,
    easy || !pace ? "" : "This model is large for a browser tab.",
    seconds > PATIENCE_SECONDS ? "That is long for a browser tab: try fewer steps or a smaller preset." : "",
    warning,
  ];
  return { bad: false, text: sentences.filter(Boolean).join(" ") };
}

/** Fill the part's element. */
export function trainPart(part, app) {
  const { presets, corpora } = app.index;
  const preset = menu(presets.map(({ name, parameters }) => [name, `${name}, ${count(parameters)} parameters`]));
  const corpus = menu([...corpora.map(({ name, title }) => [name, title]), [OWN_TEXT, "my own text"]]);
  const own = el("textarea", {
    rows: 5,
    spellcheck: "false",
    placeholder: "Paste a text here. It stays on this device.",
  });
  const from = menu([
    ["scratch", "random weights"],
    ["loaded", "the model above"],
  ]);
  const steps = numberInput(500, 1, 1_000_000);
  const rate = numberInput(0.001, 0.000001, 1, "any");
  const seed = numberInput(0, 0, 2 ** 32 - 1);
  const prompt = el("input", { type: "text", value: "Once" });
  const expected = statusLine();
  const start = app.starter(mainButton("Train"));
  const pause = button("Pause", { disabled: true });
  const stop = button("Stop", { disabled: true });
  const saveWeights = app.starter(button("Download model.safetensors"));
  const saveConfig = app.starter(button("Download config.json"));
  const erase = app.starter(button("Delete the saved model"));
  const status = statusLine();
  const chart = el("div", {});
  const samples = el("div", {
    class: "tgp-samples",
    tabindex: 0,
    role: "log",
    "aria-label": "Samples during training",
  });
  const ownField = field("Your text", own);
  preset.value = "small";

  const shape = () => {
    const loaded = from.value === "loaded" ? app.model : null;
    const same = ({ nLayers, dModel, contextLength }) =>
      nLayers === loaded.nLayers && dModel === loaded.dModel && contextLength === loaded.contextLength;
    const chosen = presets.find(loaded ? same : ({ name }) => name === preset.value);
    return {
      config: loaded ?? { ...chosen, eps: 1e-5 },
      batchSize: chosen?.batchSize ?? (loaded.contextLength > 128 ? 4 : 16),
      title: loaded?.about ?? preset.value,
      easy: chosen ? EASY.includes(chosen.name) : loaded.parameters <= presets[EASY.length - 1].parameters,
    };
  };

  // Estimates after every change, and shows only the newest answer.
  let latest = 0;
  const showEstimate = async () => {
    const turn = ++latest;
    const nBytes =
      corpus.value === OWN_TEXT
        ? new TextEncoder().encode(own.value).length
        : corpora.find(({ name }) => name === corpus.value).bytes;
    const { config, batchSize, easy } = shape();
    try {
      const answer = await app.client.call("estimate", { config, batchSize, nBytes: Math.floor(nBytes * 0.9) });
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
    preset.disabled = from.value === "loaded";
    if (!start.disabled) showEstimate();
  };
  for (const control of [preset, corpus, from, steps, own]) control.addEventListener("change", change);
  app.onModel((model) => {
    from.lastElementChild.disabled = !model && !app.offered;
    saveWeights.hidden = saveConfig.hidden = !model;
    erase.hidden = !app.kept;
    change();
  });

  const lines = { train: [], heldOut: [] };
  const draw = () =>
    chart.replaceChildren(
      lineChart({
        title: "Loss over steps",
        xLabel: "step",
        yLabel: "loss, nats per byte",
        lines: [
          { name: "training", points: thinned(lines.train) },
          { name: "held out", points: lines.heldOut, marked: true },
        ],
      }),
    );

  const train = async () => {
    const planned = readNumber(steps, "Steps");
    if (from.value === "loaded") await app.needModel(status);
    const { config, batchSize, title } = shape();
    if ((await showEstimate()) === true) throw new Error("This cannot be trained here; see above.");
    const { bytes, name } = await textOf(app, corpus.value, own.value);
    lines.train = [];
    lines.heldOut = [];
    samples.replaceChildren();
    pause.disabled = stop.disabled = false;
    pause.textContent = "Pause";
    status.textContent = "Making the model…";
    const message = {
      config,
      batchSize,
      from: from.value,
      text: bytes,
      corpus: name,
      about: `${title.replace(/, trained on .*/, "")}, trained on ${name}`,
      prompt: prompt.value,
      steps: planned,
      evaluateEvery: Math.max(1, Math.round(planned / 10)),
      seed: readNumber(seed, "Seed"),
      learningRate: readNumber(rate, "Learning rate", false),
    };
    const progress = (news) => {
      lines.train.push(...news.losses);
      if (news.heldOut !== undefined) lines.heldOut.push([news.step, news.heldOut]);
      const heldOut = lines.heldOut.at(-1)[1].toFixed(3);
      const loss = lines.train.at(-1)?.[1].toFixed(3) ?? "not yet";
      const pace = news.stepsPerSecond
        ? ` · ${news.stepsPerSecond.toPrecision(3)} steps per second · ${duration(news.secondsLeft)} left`
        : "";
      status.textContent = `Step ${count(news.step)} · loss ${loss} · held out ${heldOut}${pace}`;
      if (news.heldOut !== undefined && news.done) {
        const heading = el("p", { class: "tgp-caption" }, `After ${count(news.step)} steps, held-out loss ${heldOut}`);
        samples.prepend(heading, el("pre", {}, el("span", { class: "tgp-prompt" }, prompt.value), news.sample));
      }
      draw();
    };
    try {
      const { model, storage, stopped, done } = await app.client.call("train", message, { progress });
      app.setModel(model);
      const how = stopped ? `Stopped after ${count(done)} steps` : `Done: ${count(done)} steps`;
      const [loss, heldOut] = [lines.train, lines.heldOut].map((points) => points.at(-1)?.[1].toFixed(3) ?? "not yet");
      status.textContent = `${how} · loss ${loss} · held out ${heldOut} · ${storage}`;
    } finally {
      pause.disabled = stop.disabled = true;
    }
  };
  start.addEventListener("click", () => app.work(status, train));
  stop.addEventListener("click", () => app.client.control("stop", { of: "train" }));
  pause.addEventListener("click", () => {
    const resume = pause.textContent === "Resume";
    app.client.control(resume ? "resume" : "pause", { of: "train" });
    pause.textContent = resume ? "Pause" : "Resume";
  });
  const save = (file) =>
    app.work(status, async () => {
      const { weights, config, tokenizer } = await app.client.call("export");
      if (file === "config.json" && tokenizer) download("tokenizer.json", [tokenizer], "application/json");
      if (file === "config.json") download(file, [config], "application/json");
      else download(file, [weights], "application/octet-stream");
    });
  saveWeights.addEventListener("click", () => save("model.safetensors"));
  saveConfig.addEventListener("click", () => save("config.json"));
  erase.addEventListener("click", () =>
    app.work(status, async () => {
      const { model } = await app.client.call("delete");
      app.kept = null;
      app.setModel(model);
      status.textContent = "Deleted from this browser. Until you reload the page, it is still the model above.";
    }),
  );

  part.replaceChildren(
    el(
      "div",
      { class: "tgp-fields" },
      field("Preset", preset),
      field("Text", corpus),
      field("Start from", from),
      field("Steps", steps),
      field("Learning rate", rate),
      field("Seed", seed),
      field("Prompt of the samples", prompt),
    ),
    ownField,
    expected,
    el("p", { class: "tgp-buttons" }, start, pause, stop),
    status,
    chart,
    samples,
    el("p", { class: "tgp-buttons" }, saveWeights, saveConfig, erase),
  );
}

// At most a few hundred points, each the mean of some consecutive ones.
function thinned(points) {
  const stretch = Math.ceil(points.length / 300);
  if (stretch <= 1) return points;
  const means = [];
  for (let i = 0; i < points.length; i += stretch) {
    const part = points.slice(i, i + stretch);
    means.push([part.at(-1)[0], part.reduce((sum, [, loss]) => sum + loss, 0) / part.length]);
  }
  return means;
}
