// Read and write safetensors files: eight bytes of header length, a JSON header, then the tensors' bytes.
// Everything in a reader's file is checked: lengths, types, shapes, offsets, names, and that values are finite.
// Format: https://github.com/huggingface/safetensors#format

import { parameterShapes, VOCABULARY } from "./layout.js";

const LENGTH_BYTES = 8;
const HEADER_AT_MOST = 100_000_000;
// Stored type → bytes of a number, and how to decode it.
const TYPES = {
  F32: [4, (bytes) => new Float32Array(bytes)],
  F64: [8, (bytes) => Float32Array.from(new Float64Array(bytes))],
  F16: [2, (bytes) => Float32Array.from(new Uint16Array(bytes), halfToSingle)],
  BF16: [2, (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer)],
  I8: [1, (bytes) => Float32Array.from(new Int8Array(bytes))],
};
const TEXTS = { U8: [1, (bytes) => new Uint8Array(bytes)] }; // of snapshot.js
const LFS_POINTER = "version https://git-lfs";
// Buffers of any type that older versions of transformers stored with the weights.
const isMask = (name) => name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias");

/** A file that cannot be used; the message is for readers. */
export class FileError extends Error {}

const halfToSingle = (bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

/**
 * Read a file.
 *
 * @param {ArrayBuffer} buffer the file
 * @param {boolean} texts whether tensors of bytes are read, too
 * @returns {{tensors: Map<string, {shape: number[], data: Float32Array}>, metadata: Record<string, string>}}
 * @throws {FileError} the file is not usable
 */
export function readFile(buffer, { texts = false } = {}) {
  const types = texts ? { ...TYPES, ...TEXTS } : TYPES;
  if (buffer.byteLength < LENGTH_BYTES)
    throw new FileError("This is not a safetensors file: it has less than 8 bytes.");
  if (new TextDecoder().decode(new Uint8Array(buffer, 0, Math.min(buffer.byteLength, 23))) === LFS_POINTER)
    throw new FileError("This is a Git LFS pointer, not the file that it points to: git lfs pull fetches that.");
  const length = new DataView(buffer).getBigUint64(0, true);
  if (length > BigInt(Math.min(HEADER_AT_MOST, buffer.byteLength - LENGTH_BYTES))) {
    throw new FileError("This is not a whole safetensors file: its header is longer than the file.");
  }
  const start = LENGTH_BYTES + Number(length);
  const header = parseHeader(new Uint8Array(buffer, LENGTH_BYTES, Number(length)));
  const tensors = new Map();
  const whole = [];
  const ranges = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    if (
      !Array.isArray(shape) ||
      !shape.every(isCount) ||
      !Array.isArray(offsets) ||
      !offsets.every(isCount) ||
      offsets.length !== 2
    ) {
      throw new FileError(`The safetensors header is damaged at "${name}".`);
    }
    if (isMask(name)) {
      ranges.push([...offsets, name]);
      continue;
    }
    if (!Object.hasOwn(types, dtype)) {
      throw new FileError(`Tensor "${name}" holds ${dtype}; this page reads ${Object.keys(types).join(", ")}.`);
    }
    const [from, to] = offsets;
    const [bytes, decode] = types[dtype];
    const count = shape.reduce((a, b) => a * b, 1);
    if (to - from !== count * bytes) {
      throw new FileError(`Tensor "${name}" has shape ${shape.join(" × ")}, but ${to - from} bytes.`);
    }
    if (start + to > buffer.byteLength)
      throw new FileError(`The file is cut short: it ends before tensor "${name}" does.`);
    ranges.push([from, to, name]);
    if (dtype === "I8") whole.push(name);
    tensors.set(name, { shape, data: decode(buffer.slice(start + from, start + to)) });
  }
  checkCoverage(ranges, buffer.byteLength - start);
  for (const name of whole) applyScale(tensors, name);
  return { tensors, metadata: header.__metadata__ ?? {} };
}

/** The tensors of a model's file, by name. */
export const readTensors = (buffer) => readFile(buffer).tensors;

// Gallery models store a matrix as int8 with one scale per row beside it (tinygpt/rounding.py).
function applyScale(tensors, name) {
  const { shape, data } = tensors.get(name);
  const scale = tensors.get(`${name}.scale`);
  if (shape.length !== 2 || scale?.data.length !== shape[0])
    throw new FileError(`Tensor "${name}" has no scale for each row.`);
  for (let i = 0; i < data.length; i++) data[i] *= scale.data[Math.floor(i / shape[1])];
  tensors.delete(`${name}.scale`);
}

function parseHeader(bytes) {
  let header = null;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new FileError("This is not a safetensors file: its header is not JSON.");
  }
  if (header === null || typeof header !== "object" || Array.isArray(header)) {
    throw new FileError("This is not a safetensors file: its header is not an object.");
  }
  return header;
}

// The tensors must fill the file, without gaps or overlaps.
function checkCoverage(ranges, length) {
  ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let end = 0;
  for (const [from, to, name] of ranges) {
    if (from !== end) throw new FileError(`The offsets of tensor "${name}" leave a gap or overlap another tensor.`);
    end = to;
  }
  if (end !== length) throw new FileError(`The file has ${length - end} bytes that belong to no tensor.`);
}

// Key of config.json → the value with which our layers compute the same function, and the value of a missing key.
const FIXED = {
  model_type: ["gpt2", null],
  tie_word_embeddings: [true, true],
  scale_attn_weights: [true, true],
  scale_attn_by_inverse_layer_idx: [false, false],
  add_cross_attention: [false, false],
};
const TANH_GELUS = ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"]; // three implementations of one function
const SIZES = {
  nLayers: "n_layer", dModel: "n_embd", nHeads: "n_head", contextLength: "n_positions", vocabSize: "vocab_size",
};

const valueOf = (config, key, missing) => (Object.hasOwn(config, key) ? config[key] : missing);

/**
 * Read a config.json.
 *
 * @param {string} text
 * @returns {object} nLayers, dModel, nHeads, contextLength, vocabSize, eps
 * @throws {FileError} a value is not supported
 */
export function readConfig(text) {
  let config = null;
  try {
    config = JSON.parse(text);
  } catch {
    throw new FileError("config.json is not JSON.");
  }
  if (config === null || typeof config !== "object") throw new FileError("config.json does not hold an object.");
  for (const [key, [required, missing]] of Object.entries(FIXED)) {
    const value = valueOf(config, key, missing);
    if (value !== required) {
      throw new FileError(
        `config.json has ${key} ${JSON.stringify(value)}; this page needs ${JSON.stringify(required)}.`,
      );
    }
  }
  const activation = valueOf(config, "activation_function", TANH_GELUS[0]);
  if (!TANH_GELUS.includes(activation)) {
    throw new FileError(
      `config.json has activation_function ${JSON.stringify(activation)}; this page needs ${TANH_GELUS.join(" or ")}.`,
    );
  }
  const model = { eps: valueOf(config, "layer_norm_epsilon", 1e-5) };
  for (const [name, key] of Object.entries(SIZES)) {
    const value = config[key];
    if (!Number.isSafeInteger(value) || value < 1 || value > 1_000_000) {
      throw new FileError(`config.json has ${key} ${JSON.stringify(value)}; a whole number of at least 1 is needed.`);
    }
    model[name] = value;
  }
  if (typeof model.eps !== "number" || !(model.eps > 0))
    throw new FileError("config.json has a layer_norm_epsilon that is not a number above 0.");
  if (model.dModel % model.nHeads) throw new FileError("config.json has an n_embd that n_head does not divide.");
  if (![null, undefined, 4 * model.dModel].includes(config.n_inner)) {
    throw new FileError(`config.json has n_inner ${config.n_inner}; ${4 * model.dModel} is needed.`);
  }
  return model;
}

// Of torch.compile, DataParallel and GPT2LMHeadModel.
const PREFIXES = /^(?:_orig_mod\.|module\.|transformer\.)+/;

/**
 * A checkpoint's weights under our names, checked against its configuration.
 *
 * @param {object} config of readConfig
 * @param {Map} tensors of readTensors
 * @returns {Map<string, Float32Array>}
 * @throws {FileError} a parameter is missing, unknown, of another shape, or not finite
 */
export function checkWeights(config, tensors) {
  const stored = new Map();
  for (const [name, tensor] of tensors) {
    const short = name.replace(PREFIXES, "");
    if (stored.has(short)) throw new FileError(`The file holds parameter "${short}" twice.`);
    stored.set(short, tensor);
  }
  const head = stored.get("lm_head.weight");
  stored.delete("lm_head.weight");
  if (head && !stored.has("wte.weight")) stored.set("wte.weight", head); // tied: one of two names
  const expected = 4 + 12 * config.nLayers;
  if (stored.size !== expected) {
    throw new FileError(`The file holds ${stored.size} parameters; config.json describes ${expected}.`);
  }
  const weights = new Map();
  for (const [name, shape] of parameterShapes(config)) {
    const tensor = stored.get(name);
    if (!tensor) throw new FileError(`The file has no parameter "${name}".`);
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
      throw new FileError(
        `Parameter "${name}" is ${tensor.shape.join(" × ")}; config.json makes it ${shape.join(" × ")}.`,
      );
    }
    if (!tensor.data.every(Number.isFinite))
      throw new FileError(`Parameter "${name}" holds values that are not finite.`);
    weights.set(name, tensor.data);
  }
  const table = stored.get("wte.weight");
  if (head && !(String(head.shape) === String(table.shape) && head.data.every((value, i) => value === table.data[i]))) {
    throw new FileError("The file's lm_head differs from its embedding; this page supports tied heads only.");
  }
  return weights;
}

/**
 * Write tensors of float32, and texts as bytes.
 *
 * @param {Map<string, {shape: number[], data: Float32Array | Uint8Array}>} tensors a text is of bytes
 * @param {Record<string, string>} metadata
 * @returns {ArrayBuffer}
 */
export function writeTensors(tensors, metadata) {
  const header = { __metadata__: metadata };
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    const dtype = data instanceof Uint8Array ? "U8" : "F32";
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = (json.length + 7) & ~7;
  const bytes = new Uint8Array(LENGTH_BYTES + length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(32, LENGTH_BYTES, LENGTH_BYTES + length); // blanks
  bytes.set(json, LENGTH_BYTES);
  let to = LENGTH_BYTES + length;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), to);
    to += data.byteLength;
  }
  return bytes.buffer;
}

/** The contents of config.json, as tinygpt/checkpoints/gpt2_config.py writes them. */
export function writeConfig(config) {
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: config.vocabSize ?? VOCABULARY,
    n_positions: config.contextLength,
    n_ctx: config.contextLength,
    n_embd: config.dModel,
    n_layer: config.nLayers,
    n_head: config.nHeads,
    n_inner: null,
    activation_function: "gelu_new",
    layer_norm_epsilon: config.eps,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    scale_attn_weights: true,
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: null,
    dtype: "float32",
    use_cache: true,
  };
}
