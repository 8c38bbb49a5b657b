// GPT-2's blocks over a kernel object, from tokens to the last residual stream. trainer.js and reader.js go on from there.
//
// Names, shapes and formulas are those of tinygpt/params.py, tinygpt/layers.py and tinygpt/optim.py:
//
//   B sequences, T positions, D width, H heads, C = D / H, F = 4 D, V tokens, L blocks, N = B · T rows
//
// All arrays are in the kernels' heap of float32; an "offset" is an index into it. dx is ∂loss/∂x.

import { heapSize, layOut, parameterShapes, size, VOCABULARY } from "../layout.js";
import { attention } from "./attention.js";

/** A model in a heap. */
export class Forward {
  /**
   * @param {object} config nLayers, dModel, nHeads, contextLength, eps, and vocabSize unless tokens are bytes
   * @param {(floats: number) => object} createKernels of kernels-js.js or kernels-wasm.js
   * @param {number} batchSize B to train with; 0 to read
   * @throws {RangeError} the memory was refused
   */
  constructor(config, createKernels, batchSize) {
    this.config = config;
    this.vocabSize = config.vocabSize ?? VOCABULARY;
    this.batchSize = batchSize;
    this.kernels = createKernels(heapSize(config, batchSize));
    this.heap = this.kernels.heap;
    const batch = Math.max(1, batchSize);
    this.places = layOut(config, batch * config.contextLength, batch, batchSize > 0, this.kernels.heapStart);
    this.bytes = this.heap.byteLength;
  }

  destroy() {} // the heap goes with its engine

  // Name → view of every parameter, or of what has their shapes, at some places.
  _arrays(places) {
    const arrays = new Map();
    for (const [name, shape] of parameterShapes(this.config)) {
      const offset = places.get(name);
      arrays.set(name, this.heap.subarray(offset, offset + size(shape)));
    }
    return arrays;
  }

  // Leave the last residual stream of `batch` sequences of `t` tokens in `places.x`; `visit` is called after every block.
  _run(tokens, batch, t, visit = () => {}) {
    this._embed(tokens, batch * t, t);
    for (const [layer, block] of this.places.blocks.entries()) {
      this._forwardBlock(layer, batch, t);
      visit(layer, block);
    }
  }

  _embed(tokens, rows, t) {
    const { heap, kernels, places } = this;
    const d = this.config.dModel;
    const table = places.parameters.get("wte.weight");
    const positions = places.parameters.get("wpe.weight");
    for (let i = 0; i < rows; i++) {
      const from = table + tokens[i] * d;
      heap.copyWithin(places.x + i * d, from, from + d);
      kernels.add(places.x + i * d, positions + (i % t) * d, d);
    }
  }

  // One block on the residual stream `places.x` (rows, d); `places.blocks` keeps the values for a backward.
  _forwardBlock(layer, batch, t) {
    const { kernels, places } = this;
    const { dModel: d, nHeads } = this.config;
    const rows = batch * t;
    const block = places.blocks[layer];
    const h = `h.${layer}`;
    this._norm(places.normed, block.xHat1, block.r1, `${h}.ln_1`, rows);
    this._linear(block.qkv, places.normed, `${h}.attn.c_attn`, rows, d, 3 * d, 0);
    attention(kernels, block.mixed, block.p, block.qkv, batch, t, nHeads, d / nHeads);
    this._linear(places.x, block.mixed, `${h}.attn.c_proj`, rows, d, d, 1);
    this._norm(places.normed, block.xHat2, block.r2, `${h}.ln_2`, rows);
    this._linear(block.wide, places.normed, `${h}.mlp.c_fc`, rows, d, 4 * d, 0);
    kernels.gelu(places.hidden, block.gate, block.wide, rows * 4 * d);
    this._linear(places.x, places.hidden, `${h}.mlp.c_proj`, rows, 4 * d, d, 1);
  }

  _norm(y, xHat, r, name, rows) {
    const { kernels, places, config } = this;
    const [gain, bias] = this._weightAndBias(name);
    kernels.layerNorm(y, xHat, r, places.x, gain, bias, rows, config.dModel, config.eps);
  }

  _weightAndBias(name, arrays = this.places.parameters) {
    return [arrays.get(`${name}.weight`), arrays.get(`${name}.bias`)];
  }
}
