// Backends: the kinds of engines that can compute, behind one interface.
//
//   config, batchSize, updates                  batchSize 0: it reads and generates; else it trains
//   initialise(normal), load(weights)           starting weights; a map of arrays by name
//   snapshot(), restore(snapshot)               {weights, moments, updates}: AdamW's two moments
//   weights(), gradientSquares()                maps by name: arrays; Σ dθ² of the last step, or null
//   trainSteps(steps) → [{loss, gradNorm}]      steps: {inputs, targets, settings}; at most `stepsAtOnce` in one call
//   loss(inputs, targets, rows)                 of a batch, nats per token
//   read(tokens), step(token) → logits (V)      after the last token; with a cache
//   look(tokens) → {logits, attention}          (T, V) and (L, H, T, T)
//   bytes; destroy()                            memory in use; gives it back
//   failure                                     {message, report} of a backend that this engine takes the place of
//
// Every method may return a promise; the tasks await them all.

import { Engine } from "./engine.js";
import { createKernels as createPlainKernels } from "./kernels-js.js";
import { kernelFile, loadKernels } from "./kernels-wasm.js";

const over =
  (createKernels) =>
  (config, batchSize = 0) =>
    new Engine(config, createKernels, batchSize);

async function prepareWasm() {
  const file = kernelFile();
  if (!file) throw new Error("This browser has no WebAssembly SIMD");
  try {
    return over(await loadKernels(new URL(file, import.meta.url)));
  } catch (error) {
    throw new Error(`${file} could not be loaded (${error.message})`, { cause: error });
  }
}

let card = null; // name of the graphics card

// A graphics card; one that the processor imitates only if it is asked for.
async function prepareWebgpu(only) {
  if (!globalThis.navigator?.gpu) throw new Error("This browser has no WebGPU");
  const { openWebgpu } = await import("./webgpu/backend.js");
  const others = prepared.wasm ?? prepared.js;
  const { create, gpu } = await openWebgpu({ software: only === "webgpu", other: async (...shape) => others(...shape) });
  card = gpu.name;
  return create;
}

/**
 * Name → a backend, the slowest first: `prepare` resolves to (config, batchSize) → engine, or rejects with the reason in
 * words; then `instead` computes. A `quiet` one is missed only if it was asked for.
 */
const BACKENDS = {
  js: { prepare: async () => over(createPlainKernels) },
  wasm: { prepare: prepareWasm, instead: "plain JavaScript computes instead, more slowly" },
  webgpu: { prepare: prepareWebgpu, instead: "WebAssembly computes instead", quiet: true },
};

const prepared = {}; // name → (config, batchSize) → engine
let chosen = null;

/** Prepare all backends, or those up to the one that `only` names, and choose the fastest. */
export async function chooseBackend({ only } = {}) {
  const notices = only === "js" ? ["Plain JavaScript computes, as the address asks."] : [];
  let report = "";
  for (const [name, { prepare, instead, quiet }] of Object.entries(BACKENDS)) {
    try {
      prepared[name] = await prepare(only);
      chosen = name;
    } catch (error) {
      report ||= error.report ?? "";
      if (!quiet || only === name || report) notices.push(`${error.message.replace(/\.$/, "")}; ${instead}.`);
    }
    if (only === name) break;
  }
  return { kernels: chosen, backends: Object.keys(prepared), notice: notices.join(" "), report, card };
}

/**
 * Create an engine of the chosen backend, or of a named one.
 *
 * @throws {RangeError} the memory was refused
 */
export const createEngine = async (config, batchSize = 0, name = chosen) => prepared[name](config, batchSize);

/** Name of the chosen backend. */
export const chosenBackend = () => chosen;
