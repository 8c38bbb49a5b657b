// Backends: the kinds of engines that can compute, behind one interface.
//
//   config, batchSize, updates                  batchSize 0: it reads and generates; else it trains
//   initialise(normal), load(weights)           starting weights; a map of arrays by name
//   snapshot(), restore(snapshot)               {weights, moments, updates}: AdamW's two moments
//   weights(), gradientSquares()                maps by name: arrays; Σ dθ² of the last step, or null
//   trainSteps(steps) → [{loss, gradNorm}]      steps: {inputs, targets, settings}; at most `stepsAtOnce` in one call
//   loss(inputs, targets, rows)                 of a batch, nats per token
//   read(tokens), step(token) → logits (V)      after the last token; with a cache
//   look(tokens) → {logits, attention}          (V) after the last token, and (L, H, T, T)
//   bytes; destroy()                            memory in use; gives it back
//   failure                                     {message, report} of a backend that this engine takes the place of
//
// Every method may return a promise; the tasks await them all.

import { ReadingEngine } from "./engine/reader.js";
import { TrainingEngine } from "./engine/trainer.js";
import { createKernels as createPlainKernels } from "./kernels-js.js";
import { kernelFile, loadKernels } from "./kernels-wasm.js";

const over =
  (createKernels) =>
  (config, batchSize = 0) =>
    batchSize ? new TrainingEngine(config, createKernels, batchSize) : new ReadingEngine(config, createKernels);

async function prepareWasm() {
  const file = kernelFile();
  if (!file) throw new Error("This browser has no WebAssembly SIMD");
  try {
    return over(await loadKernels(new URL(file, import.meta.url)));
  } catch (error) {
    throw new Error(`${file} could not be loaded (${error.message})`, { cause: error });
  }
}

let card = null; // the open graphics card, and what makes engines on it

// A graphics card; one that the processor imitates only if it is asked for.
async function prepareWebgpu(only) {
  if (!globalThis.navigator?.gpu) throw new Error("This browser has no WebGPU");
  const { openWebgpu } = await import("./webgpu/backend.js");
  const others = prepared.wasm ?? prepared.js;
  const software = Boolean(only?.startsWith("webgpu"));
  card = await openWebgpu({ software, other: async (...shape) => others(...shape) });
  return card.create;
}

async function prepareHalves() {
  if (!card.gpu.halves) throw new Error("This graphics card offers WebGPU no 16-bit numbers (shader-f16)");
  return (config, batchSize) => card.create(config, batchSize, true);
}

/**
 * Name → a backend, the slowest first: `prepare` resolves to (config, batchSize) → engine, or rejects with the reason in
 * words; then `instead` computes. A `quiet` one is missed only if it was asked for. One that `needs` another is a form
 * of it, and chosen only if it was asked for.
 */
const BACKENDS = {
  js: { prepare: async () => over(createPlainKernels) },
  wasm: { prepare: prepareWasm, instead: "plain JavaScript computes instead, more slowly" },
  webgpu: { prepare: prepareWebgpu, instead: "WebAssembly computes instead", quiet: true },
  "webgpu-f16": { prepare: prepareHalves, instead: "WebGPU computes in 32 bits", quiet: true, needs: "webgpu" },
};

const prepared = {}; // name → (config, batchSize) → engine
let chosen = null;

/**
 * Prepare all backends, or those up to the one that `only` names, and choose the fastest.
 *
 * @returns {object} kernels: the chosen one; backends: the prepared ones; notice and report: what failed; missing: what
 *   a prepared one lacks; card: its name
 */
export async function chooseBackend({ only } = {}) {
  const notices = only === "js" ? ["Plain JavaScript computes, as the address asks."] : [];
  let [report, missing] = ["", ""];
  for (const [name, { prepare, instead, quiet, needs }] of Object.entries(BACKENDS)) {
    if (needs && !prepared[needs]) continue;
    try {
      prepared[name] = await prepare(only);
      if (!needs || only === name) chosen = name;
    } catch (error) {
      const words = `${error.message.replace(/\.$/, "")}; ${instead}.`;
      report ||= error.report ?? "";
      if (!quiet || only?.startsWith(name) || report) notices.push(words);
      if (needs) missing = words;
    }
    if (only === name) break;
  }
  const names = { kernels: chosen, backends: Object.keys(prepared), card: card?.gpu.name ?? null };
  return { ...names, notice: notices.join(" "), report, missing };
}

/**
 * Create an engine of the chosen backend, or of a named one.
 *
 * @throws {RangeError} the memory was refused
 */
export const createEngine = async (config, batchSize = 0, name = chosen) => prepared[name](config, batchSize);

/** True if the chosen backend, or a named one, computes on a graphics card. */
export const onCard = (name = chosen) => name.startsWith("webgpu");
