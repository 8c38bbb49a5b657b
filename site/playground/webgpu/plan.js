// The buffers of a model on the device, each with its exact size, before anything is created.
//
// Weights, their gradients and both moments are one buffer each: matrices first, which decay, then vectors. Gradients
// of matrices are sums over all rows; a few workgroups add up parts of them side by side, so their buffer has SLOTS
// parts. Activations are buffers of their own, because a shader may not read and write one buffer in one dispatch.
//
// The table of tokens is filled up with zeros to a multiple of four. Logits are stored for one block of rows at a time in a
// training, and for one row in a reader.

import { parameterShapes, size, VOCABULARY } from "../layout.js";

const FLOAT = 4; // bytes
const QUAD = 4; // numbers of a vec4f
const MOST_ROWS = 65_535; // workgroups along one axis
const MOST_HEAD = 64; // numbers of a head that an invocation keeps in registers
const MOST_SLOTS = 4;
const ROWS_A_SLOT = 256;
const MOST_LOGITS = 2 ** 20; // of a block, at least of TILE_ROWS rows
const TILE_ROWS = 64; // of a product's workgroup

export const MOST_SUM_GROUPS = 256; // partial sums of the gradient's norm
export const MOST_STEPS = 16; // in one submission
export const UPDATE_FLOATS = 12; // settings of one AdamW update

/** Offsets of every parameter in floats, their sum, and the end of those that decay. */
function parameterOffsets(config, columns) {
  const shapes = [...parameterShapes(config)];
  const offsets = new Map();
  let end = 0;
  const place = (chosen) => {
    for (const [name, shape] of chosen) {
      offsets.set(name, end);
      end += name === "wte.weight" ? columns * config.dModel : size(shape);
    }
    return end;
  };
  const decaying = place(shapes.filter(([, shape]) => shape.length >= 2));
  return { offsets, decaying, floats: place(shapes.filter(([, shape]) => shape.length < 2)) };
}

// Rows that have their logits at the same time: [first, count] of each block.
function blocksOf(rows, columns) {
  const most = Math.max(1, Math.floor(MOST_LOGITS / columns / TILE_ROWS)) * TILE_ROWS;
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => [i * most, Math.min(most, rows - i * most)]);
}

/**
 * The plan of an engine: to train if `batchSize` is given, else to read and write texts.
 *
 * @param {object} config nLayers, dModel, nHeads, contextLength, eps, and vocabSize unless tokens are bytes
 * @param {object} limits of the device
 * @param {boolean} halves whether products are of 16-bit numbers
 * @returns {object} buffers (name → bytes), and `refusal`, a line if the device cannot compute this model
 */
export function planOf(config, batchSize, limits, halves = false) {
  const { nLayers, dModel: d, nHeads, contextLength: t, vocabSize = VOCABULARY } = config;
  const training = batchSize > 0;
  const rows = Math.max(1, batchSize) * t;
  const columns = Math.ceil(vocabSize / QUAD) * QUAD;
  const parameters = parameterOffsets(config, columns);
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const fitting = Math.floor(most / (FLOAT * parameters.floats));
  const slots = Math.max(1, Math.min(MOST_SLOTS, Math.ceil(rows / ROWS_A_SLOT), fitting));
  const blocks = training ? blocksOf(rows, columns) : [[0, 1]];
  const headRows = training ? rows : 1;
  const floats = new Map([
    ["weights", parameters.floats],
    ["tokens", (training ? 2 : 1) * rows],
    ["normed", headRows * d],
    ["moments", headRows * 2],
    ["logits", blocks[0][1] * columns],
    ["nothing", QUAD],
    ["span", QUAD],
  ]);
  const activations = {
    x: d,
    middle: d,
    normed1: d,
    normed2: d,
    moments1: 2,
    moments2: 2,
    mixed: d,
    qkv: 3 * d,
    wide: 4 * d,
    logSums: nHeads,
  };
  const layered = training ? Object.keys(activations) : ["qkv"]; // a reader keeps keys and values alone
  for (const [role, width] of Object.entries(activations)) {
    if (!layered.includes(role)) floats.set(role, rows * width);
    else for (let layer = 0; layer < nLayers; layer++) floats.set(`${role}.${layer}`, rows * width);
  }
  if (training) {
    for (const name of ["firstMoments", "secondMoments"]) floats.set(name, parameters.floats);
    floats.set("gradients", slots * parameters.floats);
    floats.set("squares", MOST_SUM_GROUPS);
    floats.set("report", 1 + rows);
    floats.set("update", UPDATE_FLOATS);
    floats.set("queue", MOST_STEPS * (2 * rows + UPDATE_FLOATS));
    floats.set(`x.${nLayers}`, rows * d);
    floats.set("dx", rows * d).set("dNormed", rows * d).set("dQkv", rows * 3 * d).set("dWide", rows * 4 * d);
    floats.set("means", rows * nHeads);
  } else floats.set("row", d);
  const buffers = new Map([...floats].map(([name, count]) => [name, FLOAT * count]));
  const [largest, bytes] = [...buffers].reduce((a, b) => (b[1] > a[1] ? b : a));
  const refusals = [
    [d % QUAD, `The width ${d} is no multiple of 4, which WebGPU needs here.`],
    [d / nHeads > MOST_HEAD, `Heads of ${d / nHeads} numbers are too wide for WebGPU here; ${MOST_HEAD} is the most.`],
    [rows > MOST_ROWS, `${rows} tokens a step are too many for WebGPU here; ${MOST_ROWS} is the most.`],
    [vocabSize + t > MOST_ROWS, `A vocabulary of ${vocabSize} is too large for WebGPU here; ${MOST_ROWS - t} is the most.`],
    [bytes > most, `This graphics card allows buffers of ${most} bytes, and the model's ${largest} need ${bytes}.`],
  ];
  return {
    config,
    vocabSize,
    columns,
    rows,
    blocks,
    batch: Math.max(1, batchSize),
    slots,
    halves,
    parameters,
    layered,
    buffers,
    bytes: [...buffers.values()].reduce((a, b) => a + b, 0),
    refusal: refusals.find(([refused]) => refused)?.[1] ?? "",
  };
}
