// Texts for training in the tab: how a text is split, batched, evaluated, and when it is too small for a model.

import { parameterCount } from "./layout.js";
import { createRandom } from "./generate.js";

const HELD_OUT_SHARE = 0.1;
const EVALUATION_BATCHES = 4;

// Bounds of tinygpt/corpora/memorization.py, where their reasons stand.
const CONTEXTS_AT_LEAST = 300;
const PARAMETERS_PER_BYTE_AT_MOST = 4;

/**
 * Bytes to train on and bytes to hold out: the last tenth.
 *
 * @throws {Error} either part is shorter than one window
 */
export function splitText(bytes, contextLength) {
  const window = contextLength + 1;
  const heldOut = Math.max(window, Math.round(bytes.length * HELD_OUT_SHARE));
  if (bytes.length - heldOut < window) {
    throw new Error(
      `The text has ${bytes.length} bytes. This preset needs at least ${2 * window}: ` +
        `one window of ${window} to train on and one to hold out.`,
    );
  }
  return { train: bytes.subarray(0, bytes.length - heldOut), heldOut: bytes.subarray(bytes.length - heldOut) };
}

/** The batch of a step, counted from 0: random windows, always the same for the same seed and step. */
export function drawBatch(tokens, batchSize, contextLength, seed, step) {
  const random = createRandom(seed + step * 2 ** 32);
  const starts = tokens.length - contextLength;
  const batch = {
    inputs: new Uint8Array(batchSize * contextLength),
    targets: new Uint8Array(batchSize * contextLength),
  };
  for (let row = 0; row < batchSize; row++) {
    const start = Math.floor(random() * starts);
    batch.inputs.set(tokens.subarray(start, start + contextLength), row * contextLength);
    batch.targets.set(tokens.subarray(start + 1, start + contextLength + 1), row * contextLength);
  }
  return batch;
}

/** Consecutive windows of a held-out text, spread over it: the same ones at every evaluation. */
export function evaluationBatches(tokens, batchSize, contextLength) {
  const windows = Math.floor((tokens.length - 1) / contextLength);
  const wanted = Math.min(windows, EVALUATION_BATCHES * batchSize);
  const chosen = Array.from({ length: wanted }, (_, i) => Math.floor((i * windows) / wanted) * contextLength);
  const batches = [];
  for (let i = 0; i < chosen.length; i += batchSize) {
    const starts = chosen.slice(i, i + batchSize);
    const rows = starts.length;
    const batch = { rows, inputs: new Uint8Array(rows * contextLength), targets: new Uint8Array(rows * contextLength) };
    for (const [row, start] of starts.entries()) {
      batch.inputs.set(tokens.subarray(start, start + contextLength), row * contextLength);
      batch.targets.set(tokens.subarray(start + 1, start + contextLength + 1), row * contextLength);
    }
    batches.push(batch);
  }
  return batches;
}

/** Mean loss over evaluation batches, nats per byte. */
export function evaluate(engine, batches) {
  let total = 0;
  let rows = 0;
  for (const batch of batches) {
    total += batch.rows * engine.loss(batch.inputs, batch.targets, batch.rows);
    rows += batch.rows;
  }
  return total / rows;
}

/** A warning in plain words when a model will learn a text by heart, or null. */
export function memorizationWarning(nBytes, config) {
  const parameters = parameterCount(config);
  const againstContext = CONTEXTS_AT_LEAST * config.contextLength;
  const enough = Math.max(againstContext, Math.floor(parameters / PARAMETERS_PER_BYTE_AT_MOST));
  if (nBytes >= enough) return null;
  const count = (n) => n.toLocaleString("en");
  const reason =
    nBytes < againstContext
      ? `only ${Math.round(nBytes / config.contextLength)} times the context of ${config.contextLength} bytes: ` +
        "the model will memorize it and repeat it word for word"
      : `little for ${count(parameters)} parameters: trained for long, the model will memorize it`;
  return (
    `The training part of this text has ${count(nBytes)} bytes, ${reason}. A low training loss will not mean that it ` +
    `writes well; watch the held-out loss. At least ${count(enough)} bytes would be enough, or a smaller preset.`
  );
}
