// The page's worker: it holds the model and does all arithmetic, so that the page never waits.
//
// Messages to it are {id, type, ...}; answers have the same id: {id, type: "progress" | "done" | "error", ...}. Tasks
// run one at a time. "stop", "pause" and "resume" act on the current one and have no answer. The page confirms each
// piece of progress with "seen", and streams wait for it: a slow page gets larger pieces instead of a queue of them.

import { Engine, TRAINING } from "./engine.js";
import { heapSize, parameterCount, parameterShapes, VOCABULARY } from "./layout.js";
import { createKernels as createPlainKernels } from "./kernels-js.js";
import { kernelFile, loadKernels } from "./kernels-wasm.js";
import { checkWeights, readConfig, readTensors, writeConfig, writeTensors } from "./safetensors.js";
import { createNormal, createRandom, generate, promptTokens } from "./generate.js";
import { drawBatch, evaluate, evaluationBatches, memorizationWarning, splitText } from "./corpus.js";
import { deleteModel, savedModel, saveModel } from "./storage.js";

const FLUSH_MS = 16; // between messages with generated tokens
const REPORT_MS = 100; // between messages on training steps
const SAVE_MS = 20_000; // at least, between saves of a running training in the browser's storage, and
const SAVE_FACTOR = 30; // at least this many times the duration of the last one
const SAMPLE_TOKENS = 120;

// Only refused memory throws a RangeError here.
const REFUSED =
  "This device refused the memory that the model needs. Choose a smaller preset, or close other tabs; " +
  "everything else on this page works as before.";

const kernels = { js: createPlainKernels };
let model = null; // {config, weights, about, training: null or {updates, moments, seed, corpus}, kept: in storage}
let reader = null; // an engine with the model's weights, created when it is first needed
let control = { stop: false, paused: false };
let unseen = 0; // pieces of progress that the page has not confirmed yet

// ---- turns ---------------------------------------------------------------------------------------------------------

// Lets waiting messages arrive; a timer would cost 4 ms each time.
const channel = new MessageChannel();
let wake = null;
channel.port1.onmessage = () => wake();
const turn = () => new Promise((resolve) => ((wake = resolve), channel.port2.postMessage(0)));

const whilePaused = async () => {
  while (control.paused && !control.stop) await new Promise((resolve) => setTimeout(resolve, 50));
};

// ---- model ---------------------------------------------------------------------------------------------------------

const fastest = () => kernels.wasm ?? kernels.js;

function describe() {
  if (!model) return null;
  const { config, about, training, kept } = model;
  return { ...config, about, parameters: parameterCount(config), updates: training?.updates ?? 0, kept };
}

function setModel(config, weights, about, training = null) {
  model = { config, weights, about, training, kept: false };
  reader = null;
}

function theReader() {
  if (!model) throw new Error("There is no model yet: open a checkpoint or train one.");
  if (!reader) {
    reader = new Engine(model.config, fastest());
    reader.load(model.weights);
  }
  return reader;
}

const copyOf = (arrays) => new Map([...arrays].map(([name, data]) => [name, data.slice()]));

const named = (config, arrays, prefix = "") =>
  new Map([...parameterShapes(config)].map(([name, shape]) => [prefix + name, { shape, data: arrays.get(name) }]));

function openCheckpoint({ configText, buffer, about }) {
  const config = readConfig(configText);
  setModel(config, checkWeights(config, readTensors(buffer)), about);
  return { model: describe() };
}

function exportCheckpoint() {
  if (!model) throw new Error("There is no model to download yet.");
  const weights = writeTensors(named(model.config, model.weights), { format: "pt" });
  return { weights, config: `${JSON.stringify(writeConfig(model.config), null, 2)}\n` };
}

// ---- storage -------------------------------------------------------------------------------------------------------

async function storeModel() {
  const { config, weights, about, training } = model;
  const tensors = named(config, weights);
  if (training) {
    for (const [i, kind] of ["first_moment.", "second_moment."].entries()) {
      for (const [name, tensor] of named(config, training.moments[i], kind)) tensors.set(name, tensor);
    }
  }
  const { updates, seed, corpus } = training ?? {};
  await saveModel({
    config: JSON.stringify(writeConfig(config)),
    about,
    training: training && { updates, seed, corpus },
    tensors: writeTensors(tensors, {}),
  });
  model.kept = true;
}

async function restore() {
  const record = await savedModel();
  if (!record) return { model: null };
  const config = readConfig(record.config);
  const groups = { "": new Map(), first_moment: new Map(), second_moment: new Map() };
  for (const [name, tensor] of readTensors(record.tensors)) {
    const [kind] = name.split(".", 1);
    if (Object.hasOwn(groups, kind)) groups[kind].set(name.slice(kind.length + 1), tensor);
    else groups[""].set(name, tensor);
  }
  const [weights, ...moments] = Object.values(groups).map((group) => group.size && checkWeights(config, group));
  setModel(config, weights, record.about, record.training && { ...record.training, moments });
  model.kept = true;
  return { model: describe() };
}

async function forget() {
  await deleteModel();
  if (model) model.kept = false;
  return { model: describe() };
}

// ---- generate ------------------------------------------------------------------------------------------------------

async function streamText({ prompt, count, temperature, topK, seed }, post) {
  const begun = performance.now();
  const engine = theReader();
  const tokens = generate(engine, promptTokens(prompt, engine.config.contextLength), { temperature, topK, seed });
  let firstTokenMs = 0;
  let n = 0;
  let flushed = performance.now();
  const fresh = [];
  const rate = () => (n > 1 ? ((n - 1) * 1000) / (performance.now() - begun - firstTokenMs) : 0);
  const flush = () => post({ bytes: Uint8Array.from(fresh.splice(0)), n, firstTokenMs, tokensPerSecond: rate() });
  for (const token of tokens) {
    n += 1;
    fresh.push(token);
    if (n === 1) firstTokenMs = performance.now() - begun;
    if (n === 1 || performance.now() - flushed >= FLUSH_MS) {
      if (unseen === 0) flush();
      await turn();
      flushed = performance.now();
    }
    if (n === count || control.stop) break;
  }
  const tokensPerSecond = rate();
  if (fresh.length) flush();
  return { n, firstTokenMs, tokensPerSecond, stopped: n < count };
}

// ---- train ---------------------------------------------------------------------------------------------------------

function sampleText(engine, weights, prompt, seed) {
  const bytes = [];
  engine.load(weights);
  const window = promptTokens(prompt, engine.config.contextLength);
  for (const token of generate(engine, window, { temperature: 0.8, topK: 0, seed })) {
    bytes.push(token);
    if (bytes.length === SAMPLE_TOKENS) break;
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

// Make the weights of a training engine the page's model.
function adopt(engine, about, seed, corpus) {
  const moments = engine.moments().map(copyOf);
  setModel(engine.config, copyOf(engine.weights()), about, { updates: engine.updates, moments, seed, corpus });
}

function trainingEngine({ from, config, batchSize, seed }) {
  const shape = from === "loaded" && model ? model.config : config;
  const engine = new Engine(shape, fastest(), batchSize);
  if (from !== "loaded" || !model) {
    engine.initialise(createNormal(createRandom(seed)));
    return engine;
  }
  engine.load(model.weights);
  if (model.training) {
    engine
      .moments()
      .forEach((arrays, i) => arrays.forEach((view, name) => view.set(model.training.moments[i].get(name))));
    engine.updates = model.training.updates;
  }
  return engine;
}

async function train(task, post) {
  const { text, batchSize, seed, steps, corpus, about, prompt, sampleEvery, learningRate } = task;
  const engine = trainingEngine(task);
  const writer = new Engine(engine.config, fastest());
  const { contextLength } = engine.config;
  const { train: tokens, heldOut } = splitText(text, contextLength);
  const batches = evaluationBatches(heldOut, batchSize, contextLength);
  const settings = { ...TRAINING, learningRate };
  const first = engine.updates;
  const losses = [];
  let heldOutLoss = evaluate(engine, batches);
  post({ step: first, heldOutLoss });
  let reported = performance.now();
  let nextSave = performance.now() + SAVE_MS;
  let busyMs = 0;
  let done = 0;
  let storage = null;
  const save = async () => {
    const begun = performance.now();
    adopt(engine, about, seed, corpus);
    try {
      await storeModel();
      storage = "saved in this browser";
    } catch (error) {
      storage = `not saved in this browser: ${error?.message ?? error}`;
    }
    const ended = performance.now();
    nextSave = ended + Math.max(SAVE_MS, SAVE_FACTOR * (ended - begun));
  };
  while (done < steps && !control.stop) {
    const begun = performance.now();
    const batch = drawBatch(tokens, batchSize, contextLength, seed, first + done);
    const { loss, gradNorm } = engine.trainStep(batch.inputs, batch.targets, settings);
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      throw new Error(
        `Training diverged at step ${first + done + 1} with learning rate ${learningRate}. Try a smaller one.`,
      );
    }
    done += 1;
    busyMs += performance.now() - begun;
    losses.push([first + done, loss]);
    const last = done === steps;
    const speed = {
      step: first + done,
      done,
      stepsPerSecond: (done * 1000) / busyMs,
      secondsLeft: ((steps - done) * busyMs) / done / 1000,
    };
    if (last || done % sampleEvery === 0) {
      heldOutLoss = evaluate(engine, batches);
      post({ ...speed, losses: losses.splice(0), heldOutLoss, sample: sampleText(writer, engine.weights(), prompt, seed) });
      reported = performance.now();
    } else if (unseen === 0 && performance.now() - reported >= REPORT_MS) {
      post({ ...speed, losses: losses.splice(0) });
      reported = performance.now();
    }
    if (!last && performance.now() >= nextSave) await save();
    await turn();
    if (control.paused) await save();
    await whilePaused();
  }
  if (losses.length) post({ step: first + done, done, losses });
  await save();
  return { model: describe(), storage, stopped: done < steps, done };
}

/** Estimate a training: memory, seconds a step, and the memorization warning. */
function estimate({ config, batchSize, nBytes }) {
  const bytes = 4 * (heapSize(config, batchSize) + heapSize(config)); // to train, and to write samples
  const rows = batchSize * config.contextLength;
  const work = 6 * rows * (parameterCount(config) + config.nLayers * config.contextLength * config.dModel);
  return { bytes, secondsPerStep: work / workPerSecond(), warning: memorizationWarning(nBytes, config) };
}

let measuredWork = 0;

// Floating-point operations per second, from a few steps of a small model.
function workPerSecond() {
  if (measuredWork) return measuredWork;
  const config = { nLayers: 2, dModel: 48, nHeads: 3, contextLength: 32, eps: 1e-5 };
  const engine = new Engine(config, fastest(), 16);
  engine.initialise(createNormal(createRandom(0)));
  const tokens = new Uint8Array(16 * 32);
  const times = [];
  for (let i = 0; i < 6; i++) {
    const begun = performance.now();
    engine.trainStep(tokens, tokens);
    times.push(performance.now() - begun);
  }
  const work = 6 * 512 * (parameterCount(config) + 2 * 32 * 48);
  measuredWork = work / (Math.min(...times) / 1000);
  return measuredWork;
}

// ---- measure -------------------------------------------------------------------------------------------------------

/** One cell of the curve: warm-up and measured steps of one preset with one kind of kernels, from the same weights. */
async function measure({ kind, config, batchSize, text, seed, warmupSteps, measuredSteps }, post) {
  const begun = performance.now();
  const engine = new Engine(config, kernels[kind], batchSize);
  engine.initialise(createNormal(createRandom(seed)));
  const setupSeconds = (performance.now() - begun) / 1000;
  const steps = [];
  const start = performance.now();
  for (let step = 0; step < warmupSteps + measuredSteps; step++) {
    const batch = drawBatch(text, batchSize, config.contextLength, seed, step);
    const before = performance.now();
    const { loss, gradNorm } = engine.trainStep(batch.inputs, batch.targets);
    const after = performance.now();
    steps.push({
      step: step + 1,
      isWarmup: step < warmupSteps,
      seconds: (after - before) / 1000,
      loss,
      gradNorm,
      elapsedSeconds: (after - start) / 1000,
    });
    post({ done: step + 1, of: warmupSteps + measuredSteps });
    await turn();
    if (control.stop) break;
  }
  return {
    steps,
    setupSeconds,
    wallSeconds: (performance.now() - begun) / 1000,
    bytes: engine.heap.byteLength,
    stopped: control.stop,
  };
}

// ---- look inside ---------------------------------------------------------------------------------------------------

const PROBABLE = 8; // next tokens listed per position

function inspect({ prompt, layer, head }) {
  const engine = theReader();
  const tokens = promptTokens(prompt, engine.config.contextLength);
  const t = tokens.length;
  let attention = null;
  const logits = engine.forward(tokens, 1, t, (at, block) => {
    if (at !== layer) return;
    const from = block.p + head * t * t;
    attention = engine.heap.slice(from, from + t * t);
  });
  const positions = [];
  for (let i = 0; i < t; i++) {
    const row = Array.from(logits.subarray(i * VOCABULARY, (i + 1) * VOCABULARY));
    const top = Math.max(...row);
    const weights = row.map((score) => Math.exp(score - top));
    const total = weights.reduce((a, b) => a + b, 0);
    const ranked = weights.map((weight, token) => ({ token, probability: weight / total }));
    ranked.sort((a, b) => b.probability - a.probability || a.token - b.token);
    const next = i + 1 < t ? ranked.findIndex(({ token }) => token === tokens[i + 1]) : -1;
    positions.push({
      token: tokens[i],
      likely: ranked.slice(0, PROBABLE),
      next: next < 0 ? null : { ...ranked[next], rank: next + 1 },
    });
  }
  return { positions, attention };
}

// ---- messages ------------------------------------------------------------------------------------------------------

/** Load the fastest kernels, or with `only` "js" those in plain JavaScript. */
async function start({ only }) {
  let notice = "";
  const file = kernelFile();
  if (only === "js") {
    notice = "Plain JavaScript computes, as the address asks.";
  } else if (file) {
    try {
      kernels.wasm = await loadKernels(new URL(file, import.meta.url));
    } catch (error) {
      notice = `${file} could not be loaded (${error.message}); plain JavaScript computes instead, more slowly.`;
    }
  } else {
    notice = "This browser has no WebAssembly SIMD; plain JavaScript computes instead, more slowly.";
  }
  return { kernels: kernels.wasm ? "wasm" : "js", notice };
}

const TASKS = {
  start,
  open: openCheckpoint,
  export: exportCheckpoint,
  generate: streamText,
  train,
  estimate,
  measure,
  inspect,
  restore,
  delete: forget,
};

const CONTROLS = {
  stop: () => (control.stop = true),
  pause: () => (control.paused = true),
  resume: () => (control.paused = false),
  seen: () => (unseen = Math.max(0, unseen - 1)),
};

async function run({ id, type, ...rest }) {
  control = { stop: false, paused: false };
  unseen = 0;
  const post = (message) => {
    unseen += 1;
    self.postMessage({ id, type: "progress", ...message });
  };
  try {
    const result = await TASKS[type](rest, post);
    const transfer = result.weights ? [result.weights] : [];
    self.postMessage({ id, type: "done", ...result }, transfer);
  } catch (error) {
    self.postMessage({
      id,
      type: "error",
      message: error instanceof RangeError ? REFUSED : (error?.message ?? String(error)),
    });
  }
}

let queue = Promise.resolve();

self.onmessage = ({ data }) => {
  if (Object.hasOwn(CONTROLS, data.type)) CONTROLS[data.type]();
  else queue = queue.then(() => run(data));
};
