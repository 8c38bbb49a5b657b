// Texts for training in the tab: parts, batches, evaluation, and a warning if a text is too small for a model.

import { parameterCount } from "./layout.js";
import { createRandom } from "./generate.js";
import { BYTES } from "./tokenizer.js";
import { TOYS } from "./toys.js";

const HELD_OUT_SHARE = 0.1;
const EVALUATION_BATCHES = 4;

// Limits of tinygpt/corpora/memorization.py, which explains them.
const CONTEXTS_AT_LEAST = 300;
const PARAMETERS_PER_BYTE_AT_MOST = 4;

/**
 * Split the tokens of a text into those to train on and those to hold out, the last tenth.
 *
 * @throws {Error} either part is shorter than one window
 */
function splitText(tokens, contextLength, unit = BYTES.unit) {
  const window = contextLength + 1;
  const heldOut = Math.max(window, Math.round(tokens.length * HELD_OUT_SHARE));
  if (tokens.length - heldOut < window) {
    throw new Error(
      `The text has ${tokens.length} ${unit}. This preset needs at least ${2 * window}: ` +
        `one window of ${window} to train on and one to hold out.`,
    );
  }
  return { train: tokens.subarray(0, tokens.length - heldOut), heldOut: tokens.subarray(tokens.length - heldOut) };
}

/**
 * The parts of a run's text in tokens, the tokens between the places where windows may begin, and tokens per byte.
 *
 * @param {{text: Uint8Array, toy: string, seed: number}} run
 * @param {object} tokenizer the model's
 * @throws {Error} a part is shorter than one window or the toy task is unknown
 */
export function partsOf({ text, toy, seed }, contextLength, tokenizer) {
  if (!toy) {
    const tokens = tokenizer === BYTES ? text : tokenizer.encode(new TextDecoder().decode(text));
    return { ...splitText(tokens, contextLength, tokenizer.unit), stride: 1, perByte: tokens.length / text.length };
  }
  if (!Object.hasOwn(TOYS, toy)) throw new Error(`There is no toy task "${toy}"; there are ${Object.keys(TOYS).join(", ")}.`);
  if (tokenizer !== BYTES) throw new Error("A toy task needs a model whose tokens are bytes: start from scratch.");
  return { ...TOYS[toy].parts(seed), stride: TOYS[toy].length, perByte: 1 };
}

// The windows that begin at `starts`: inputs, and targets one position later.
function windowsAt(starts, tokens, contextLength) {
  const rows = starts.length;
  const room = () => new tokens.constructor(rows * contextLength);
  const batch = { rows, inputs: room(), targets: room() };
  for (const [row, start] of starts.entries()) {
    batch.inputs.set(tokens.subarray(start, start + contextLength), row * contextLength);
    batch.targets.set(tokens.subarray(start + 1, start + contextLength + 1), row * contextLength);
  }
  return batch;
}

/** The batch of a step, counted from 0: random windows, the same ones for the same seed and step. */
export function drawBatch(tokens, batchSize, contextLength, seed, step, stride = 1) {
  const random = createRandom(seed + step * 2 ** 32);
  const places = Math.ceil((tokens.length - contextLength) / stride);
  const draw = () => Math.floor(random() * places) * stride;
  return windowsAt(Array.from({ length: batchSize }, draw), tokens, contextLength);
}

/** Windows spread evenly over a held-out text, the same ones at every evaluation. */
export function evaluationBatches(tokens, batchSize, contextLength, stride = 1) {
  const windows = Math.floor((tokens.length - 1) / contextLength);
  const wanted = Math.min(windows, EVALUATION_BATCHES * batchSize);
  const place = (i) => Math.floor((i * windows) / wanted) * contextLength;
  const chosen = Array.from({ length: wanted }, (_, i) => place(i) - (place(i) % stride));
  const batches = [];
  for (let i = 0; i < chosen.length; i += batchSize) {
    batches.push(windowsAt(chosen.slice(i, i + batchSize), tokens, contextLength));
  }
  return batches;
}

/** Mean loss over evaluation batches, nats per token. */
export async function evaluate(engine, batches) {
  let total = 0;
  let rows = 0;
  for (const batch of batches) {
    const loss = await engine.loss(batch.inputs, batch.targets, batch.rows);
    total += batch.rows * loss;
    rows += batch.rows;
  }
  return total / rows;
}

/** A warning if a model is going to memorize a text, or null. */
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
