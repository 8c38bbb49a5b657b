// A training in one safetensors file, from which it goes on to the bit: weights, AdamW's two moments, the text, and in
// the metadata the configuration, the number of updates and the run's settings.
//
// Batches depend on the seed and the step alone (corpus.js), so a sampler has no other state.
//
//   run: {seed, batchSize, corpus, toy, settings, ladder, curve, score, milliseconds, text}; ladder: losses to compare
//        with (view/reading.js), which the page gives; curve: curve.js; score: of a toy task, or null

import { parameterShapes } from "./layout.js";
import { checkWeights, FileError, readConfig, readFile, writeConfig, writeTensors } from "./safetensors.js";
import { readTokenizer } from "./tokenizer.js";

const FORMAT = "tinygpt-playground-1";
const TEXT = "text";
const KINDS = ["", "first_moment.", "second_moment."];

/** Arrays with their shapes, as files hold them, under their names after a prefix. */
export const namedTensors = (config, arrays, prefix = "") =>
  new Map([...parameterShapes(config)].map(([name, shape]) => [prefix + name, { shape, data: arrays.get(name) }]));

/** The file of a model that was trained here (tasks/model.js). */
export async function writeSnapshot({ config, about, tokenizer, run, snapshot }) {
  const { weights, moments, updates } = await snapshot();
  const groups = [weights, ...moments];
  const tensors = new Map(KINDS.flatMap((kind, i) => [...namedTensors(config, groups[i], kind)]));
  const { text, ...settings } = run;
  tensors.set(TEXT, { shape: [text.length], data: text });
  return writeTensors(tensors, {
    format: FORMAT,
    config: JSON.stringify(writeConfig(config)),
    ...(tokenizer.text === null ? {} : { tokenizer: tokenizer.text }),
    about,
    updates: String(updates),
    run: JSON.stringify(settings),
  });
}

/**
 * Read a snapshot.
 *
 * @param {ArrayBuffer} buffer the file
 * @returns {{config, about, tokenizer, updates, weights, moments, run}}
 * @throws {FileError} it is damaged, or another kind of file
 */
export function readSnapshot(buffer) {
  if (!(buffer instanceof ArrayBuffer)) throw new FileError("An earlier version of this page wrote it.");
  const { tensors, metadata } = readFile(buffer, { texts: true });
  if (metadata.format !== FORMAT || !tensors.has(TEXT)) throw new FileError("This file is not a snapshot of a training.");
  const config = readConfig(metadata.config);
  const tokenizer = readTokenizer(metadata.tokenizer ?? null, config.vocabSize);
  const text = tensors.get(TEXT).data;
  tensors.delete(TEXT);
  const [weights, ...moments] = KINDS.map((kind) => checkWeights(config, taken(tensors, kind)));
  if (tensors.size) throw new FileError(`The snapshot holds an unknown tensor "${[...tensors.keys()][0]}".`);
  const updates = Number(metadata.updates);
  const run = parsed(metadata.run);
  if (!Number.isSafeInteger(updates) || updates < 0 || !run?.settings) throw new FileError("The snapshot is damaged.");
  return { config, about: metadata.about, tokenizer, updates, weights, moments, run: { ...run, text } };
}

// Take the tensors with a prefix out of a map; "" takes those that no other prefix fits.
function taken(tensors, prefix) {
  const others = KINDS.filter((kind) => kind && kind !== prefix);
  const found = new Map();
  for (const [name, tensor] of [...tensors]) {
    if (!name.startsWith(prefix) || others.some((kind) => name.startsWith(kind))) continue;
    found.set(name.slice(prefix.length), tensor);
    tensors.delete(name);
  }
  return found;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
