// Train: a preset on a text, watched while it learns; kept in this browser until it is forgotten.

import { lineChart } from "./chart.js";
import { count, download, duration, el, field, megabytes, menu, numberInput, readNumber } from "./dom.js";

const OWN_TEXT = "own";
const AT_EASE = ["tiny", "small", "medium"]; // presets that a tab trains in minutes
const PATIENCE_SECONDS = 600;
const LIMIT_BYTES = 2 ** 31;

async function textOf(app, choice, own) {
  if (choice !== OWN_TEXT) {
    const entry = app.index.corpora.find(({ name }) => name === choice);
    const response = await fetch(app.url(entry.file));
    if (!response.ok) throw new Error(`The text ${entry.title} could not be loaded.`);
    return { bytes: new Uint8Array(await response.arrayBuffer()), name: entry.title };
  }
  if (!own.trim()) throw new Error("The text is empty. Paste some, or choose another.");
  return { bytes: new TextEncoder().encode(own), name: "your text" };
}

// What a training would take, as sentences; `bad` when it cannot be done.
function outlook({ bytes, secondsPerStep, warning }, steps, atEase) {
  const seconds = steps * secondsPerStep;
  const memory = navigator.deviceMemory ? Math.min(LIMIT_BYTES, navigator.deviceMemory * 2 ** 29) : LIMIT_BYTES;
  if (bytes > memory) {
    return {
      bad: true,
      text: `This needs ${megabytes(bytes)} of memory, more than this device gives a tab. Choose a smaller preset.`,
    };
  }
  const sentences = [
    `About ${duration(secondsPerStep)} a step, ${duration(seconds)} in all, ${megabytes(bytes)} of memory.`,
    atEase ? "" : "A model of this size is more than a tab trains at ease.",
    seconds > PATIENCE_SECONDS ? "That is long for a browser tab: fewer steps or a smaller preset would do." : "",
    warning,
  ];
  return { bad: false, text: sentences.filter(Boolean).join(" ") };
}

/** Fill the place. */
export function trainPart(place, app) {
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
  const expected = el("p", { class: "tgp-status", role: "status" });
  const start = app.starter(el("button", { type: "button", class: "md-button md-button--primary" }, "Train"));
  const pause = el("button", { type: "button", class: "md-button", disabled: true }, "Pause");
  const stop = el("button", { type: "button", class: "md-button", disabled: true }, "Stop");
  const saveWeights = app.starter(el("button", { type: "button", class: "md-button" }, "Download model.safetensors"));
  const saveConfig = app.starter(el("button", { type: "button", class: "md-button" }, "Download config.json"));
  const forget = app.starter(el("button", { type: "button", class: "md-button" }, "Forget the kept model"));
  const status = el("p", { class: "tgp-status", role: "status" });
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
      atEase: chosen ? AT_EASE.includes(chosen.name) : loaded.parameters <= presets[AT_EASE.length - 1].parameters,
    };
  };

  // Estimated again after every change; only the newest answer is shown.
  let latest = 0;
  const look = async () => {
    const turn = ++latest;
    const nBytes =
      corpus.value === OWN_TEXT
        ? new TextEncoder().encode(own.value).length
        : corpora.find(({ name }) => name === corpus.value).bytes;
    const { config, batchSize, atEase } = shape();
    try {
      const answer = await app.client.call("estimate", { config, batchSize, nBytes: Math.floor(nBytes * 0.9) });
      if (turn !== latest) return null;
      const { bad, text } = outlook(answer, Number(steps.value) || 0, atEase);
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
    if (!start.disabled) look();
  };
  for (const control of [preset, corpus, from, steps, own]) control.addEventListener("change", change);
  app.onModel((model) => {
    from.lastElementChild.disabled = !model && !app.offered;
    saveWeights.hidden = saveConfig.hidden = !model;
    forget.hidden = !model?.updates;
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
    if ((await look()) === true) throw new Error("This cannot be trained here; see above.");
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
      sampleEvery: Math.max(1, Math.round(planned / 10)),
      seed: readNumber(seed, "Seed"),
      learningRate: readNumber(rate, "Learning rate", false),
    };
    const progress = (news) => {
      lines.train.push(...(news.losses ?? []));
      if (news.heldOutLoss !== undefined) lines.heldOut.push([news.step, news.heldOutLoss]);
      const heldOut = lines.heldOut.at(-1)[1].toFixed(3);
      const loss = lines.train.at(-1)?.[1].toFixed(3) ?? "not yet";
      const pace = news.stepsPerSecond
        ? ` · ${news.stepsPerSecond.toPrecision(3)} steps per second · ${duration(news.secondsLeft)} left`
        : "";
      status.textContent = `Step ${count(news.step)} · loss ${loss} · held out ${heldOut}${pace}`;
      if (news.sample !== undefined) {
        const heading = el("p", { class: "tgp-caption" }, `After ${count(news.step)} steps, held-out loss ${heldOut}`);
        samples.prepend(heading, el("pre", {}, el("span", { class: "tgp-prompt" }, prompt.value), news.sample));
      }
      draw();
    };
    try {
      const { model, storage, stopped, done } = await app.client.call("train", message, { progress });
      app.setModel(model);
      const how = stopped ? `Stopped after ${count(done)} steps` : `Done: ${count(done)} steps`;
      const where = storage === "kept" ? "kept in this browser" : storage;
      const [loss, heldOut] = [lines.train, lines.heldOut].map((points) => points.at(-1)?.[1].toFixed(3) ?? "not yet");
      status.textContent = `${how} · loss ${loss} · held out ${heldOut} · ${where}`;
    } finally {
      pause.disabled = stop.disabled = true;
    }
  };
  start.addEventListener("click", () => app.work(status, train));
  stop.addEventListener("click", () => app.client.control("stop"));
  pause.addEventListener("click", () => {
    const resume = pause.textContent === "Resume";
    app.client.control(resume ? "resume" : "pause");
    pause.textContent = resume ? "Pause" : "Resume";
  });
  const save = (file) =>
    app.work(status, async () => {
      const { weights, config } = await app.client.call("export");
      if (file === "config.json") download(file, [config], "application/json");
      else download(file, [weights], "application/octet-stream");
    });
  saveWeights.addEventListener("click", () => save("model.safetensors"));
  saveConfig.addEventListener("click", () => save("config.json"));
  forget.addEventListener("click", () =>
    app.work(status, async () => {
      await app.client.call("forget");
      forget.hidden = true;
      status.textContent = "Forgotten: after a reload nothing of it is left. Until then it is still the model above.";
    }),
  );

  place.replaceChildren(
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
    el("p", { class: "tgp-buttons" }, saveWeights, saveConfig, forget),
  );
}

// At most a few hundred points: means of equal stretches.
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
