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

// Name → a promise of (config, batchSize) → engine, the slowest first; rejects with the reason in words.
const BACKENDS = {
  js: async () => over(createPlainKernels),
  wasm: prepareWasm,
};

const prepared = {}; // name → (config, batchSize) → engine
let chosen = null;

/** Prepare the backends, or with `only` "js" plain JavaScript alone, and choose the fastest. */
export async function chooseBackend({ only } = {}) {
  let notice = only === "js" ? "Plain JavaScript computes, as the address asks." : "";
  for (const [name, prepare] of Object.entries(BACKENDS)) {
    if (only === "js" && name !== "js") continue;
    try {
      prepared[name] = await prepare();
      chosen = name;
    } catch (error) {
      notice = `${error.message}; plain JavaScript computes instead, more slowly.`;
    }
  }
  return { kernels: chosen, backends: Object.keys(prepared), notice };
}

/**
 * Create an engine of the chosen backend, or of a named one.
 *
 * @throws {RangeError} the memory was refused
 */
export const createEngine = async (config, batchSize = 0, name = chosen) => prepared[name](config, batchSize);
