// The worker's model: opened, restored, or in training; and an engine that reads with its weights.
//
//   config, about                    shape; words for readers
//   kept                             its record in the browser's storage, {id, savedAt}, or null
//   dropped                          of one in training: the models whose records made room for its own
//   tokenizer                        its tokens (tokenizer.js)
//   updates                          steps of training so far
//   weights()                        a map of arrays by name
//   snapshot()                       {weights, moments, updates}; AdamW's two moments, or null
//   run                              what else its training needs to go on to the bit (snapshot.js), or null
//
// Weights of a model in training are the engine's own, and change with every step.

import { createEngine } from "../backends.js";
import { parameterCount } from "../layout.js";

let model = null;
let reader = null; // {engine, updates}: an engine, and the step that its weights are from

const copyOf = (arrays) => new Map([...arrays].map(([name, data]) => [name, data.slice()]));

/** The model, or null. */
export const currentModel = () => model;

/** The model; `missing` is the error's message if there is none. */
export function requireModel(missing = "There is no model yet: open a checkpoint or train one.") {
  if (!model) throw new Error(missing);
  return model;
}

/** Replace the model. */
export function setModel(next) {
  reader?.engine.destroy();
  model = next;
  reader = null;
}

/** A model whose weights stay as they are. */
export const fixedModel = ({ config, about, tokenizer, weights, moments = null, updates = 0, run = null, kept = null }) => ({
  config,
  about,
  tokenizer,
  kept,
  updates,
  run,
  weights: () => weights,
  snapshot: () => ({ weights, moments, updates }),
});

/** The model of an engine in training. */
export const modelInTraining = (engine, about, tokenizer, run, kept) => ({
  config: engine.config,
  about,
  tokenizer,
  kept,
  dropped: [],
  run,
  weights: () => engine.weights(),
  snapshot: () => engine.snapshot(),
  get updates() {
    return engine.updates;
  },
});

/** The same with copies of its arrays, so that its engine can go. */
export async function settled({ config, about, tokenizer, kept, run, snapshot }) {
  const { weights, moments, updates } = await snapshot();
  const arrays = { weights: copyOf(weights), moments: moments.map(copyOf) };
  return fixedModel({ config, about, tokenizer, kept, run, updates, ...arrays });
}

/** What the page shows of the model, or null. */
export function describe() {
  if (!model) return null;
  const { config, about, tokenizer, updates, kept, run } = model;
  const { text: _, ...rest } = run ?? {};
  const shown = { about, unit: tokenizer.unit, parameters: parameterCount(config), updates, kept: kept?.id ?? null };
  return { ...config, ...shown, run: run && rest };
}

/** An engine that reads with the model's weights of this moment. */
export async function theReader() {
  const { config, updates, weights } = requireModel();
  reader ??= { engine: await createEngine(config), updates: null };
  if (reader.updates !== updates) {
    await reader.engine.load(await weights());
    reader.updates = updates;
  }
  return reader.engine;
}
