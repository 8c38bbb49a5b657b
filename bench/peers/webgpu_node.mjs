// The playground's engines in Node, for bench/peers/webgpu_engine.py: requests come on standard input, answers go out.
//
//   message = length of JSON (u32) · length of the rest (u32) · JSON · the rest: arrays, one after the other
//
//   open {config, batchSize, backend}      → {}                    backend "webgpu" or "js"
//   load, moments {updates} + arrays       → {}                    in the order of the parameters; two of each for moments
//   steps {count, settings} + tokens       → {results}             inputs and targets of every step, 4 bytes each
//   weights, state, gradients, logits      → {…} + arrays
//
// "webgpu" needs Dawn's bindings: the npm package webgpu, or the module that TINYGPT_DAWN names.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

import { TrainingEngine } from "../../site/playground/engine/trainer.js";
import { createKernels } from "../../site/playground/kernels-js.js";
import { parameterShapes, size } from "../../site/playground/layout.js";
import { Gpu } from "../../site/playground/webgpu/device.js";
import { Trainer } from "../../site/playground/webgpu/trainer.js";

let dawn = null; // it must be kept, or its devices end

const SHADERS = new URL("../../site/playground/webgpu/", import.meta.url);

const BACKENDS = {
  js: async (config, batchSize) => new TrainingEngine(config, createKernels, batchSize),
  webgpu: async (config, batchSize) => Trainer.create(await openDawn(), config, batchSize),
};

async function openDawn() {
  const { TINYGPT_DAWN: module } = process.env;
  const { create, globals } = await import(module ? pathToFileURL(module).href : "webgpu");
  Object.assign(globalThis, globals);
  const read = (name) => readFile(new URL(`${name}.wgsl`, SHADERS), "utf-8");
  dawn = create([]);
  return Gpu.open(dawn, read, true);
}

let engine = null;

// Arrays of a map in the order of the parameters, as bytes.
const bytesOf = (...maps) => maps.flatMap((arrays) => [...parameterShapes(engine.config).keys()].map((name) => arrays.get(name)));

// The bytes behind a request as numbers of 4 bytes each; they begin anywhere.
const numbersOf = (Type, { buffer, byteOffset, byteLength }) => new Type(buffer.slice(byteOffset, byteOffset + byteLength));

// Maps of arrays from floats that follow one another.
function mapsOf(count, rest) {
  const floats = numbersOf(Float32Array, rest);
  let end = 0;
  const take = (shape) => floats.subarray(end, (end += size(shape)));
  return Array.from(
    { length: count },
    () => new Map([...parameterShapes(engine.config)].map(([name, shape]) => [name, take(shape)])),
  );
}

// The batches of some steps: inputs and targets one after the other.
function batchesOf(count, rest) {
  const tokens = numbersOf(Uint32Array, rest);
  const n = tokens.length / count / 2;
  return Array.from({ length: count }, (_, i) => ({
    inputs: tokens.subarray(2 * i * n, (2 * i + 1) * n),
    targets: tokens.subarray((2 * i + 1) * n, (2 * i + 2) * n),
  }));
}

// Type of request → its answer and the arrays behind it.
const REQUESTS = {
  async open({ config, batchSize, backend }) {
    engine = await BACKENDS[backend](config, batchSize);
    return [{}];
  },
  async load(_, rest) {
    await engine.load(mapsOf(1, rest)[0]);
    return [{}];
  },
  async moments({ updates }, rest) {
    const { weights } = await engine.snapshot();
    await engine.restore({ weights, moments: mapsOf(2, rest), updates });
    return [{}];
  },
  async steps({ count, settings }, rest) {
    return [{ results: await engine.trainSteps(batchesOf(count, rest).map((batch, i) => ({ ...batch, settings: settings[i] }))) }];
  },
  async weights() {
    return [{}, bytesOf(await engine.weights())];
  },
  async state() {
    const { moments, updates } = await engine.snapshot();
    return [{ updates }, bytesOf(...moments)];
  },
  async gradients(_, rest) {
    const [{ inputs, targets }] = batchesOf(1, rest);
    const loss = await engine.lossAndGradients(inputs, targets);
    return [{ loss }, bytesOf(await engine.gradients())];
  },
  async logits(_, rest) {
    const { contextLength } = engine.config;
    const tokens = numbersOf(Uint32Array, rest);
    const rows = tokens.length / contextLength;
    return [{}, [await (engine.logits?.(tokens) ?? engine.forward(tokens, rows, contextLength))]];
  },
};

// The next `count` bytes of standard input.
const chunks = process.stdin[Symbol.asyncIterator]();
let waiting = Buffer.alloc(0);
async function take(count) {
  const parts = [waiting];
  let length = waiting.length;
  while (length < count) {
    const { value, done } = await chunks.next();
    if (done) process.exit(0);
    parts.push(value);
    length += value.length;
  }
  const all = Buffer.concat(parts, length);
  waiting = all.subarray(count);
  return all.subarray(0, count);
}

function send(answer, arrays = []) {
  const json = Buffer.from(JSON.stringify(answer));
  const rest = arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(json.length, 0);
  lengths.writeUInt32LE(
    rest.reduce((sum, part) => sum + part.length, 0),
    4,
  );
  process.stdout.write(Buffer.concat([lengths, json, ...rest]));
}

for (;;) {
  const lengths = await take(8);
  const request = JSON.parse((await take(lengths.readUInt32LE(0))).toString());
  const rest = await take(lengths.readUInt32LE(4));
  try {
    send(...(await REQUESTS[request.type](request, rest)));
  } catch (error) {
    send({ error: error.message, report: error.report ?? error.stack });
  }
}
