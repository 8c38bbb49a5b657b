// Reading and writing over a kernel object: one token at a time, with a cache of keys and values.
//
// The linear layers' matrices are in panels, (outputs / p, inputs, p) for the p columns that the kernels compute at a
// time: each token reads every weight once, fastest in sequence.

import { LINEAR, parameterShapes } from "../layout.js";
import { Forward } from "./forward.js";

/** A model that reads and writes. */
export class ReadingEngine extends Forward {
  constructor(config, createKernels) {
    super(config, createKernels, 0);
    this.length = 0; // positions in the cache
    this._blocks = this._blockOffsets();
  }

  /** Copy weights from a map with every name. */
  load(weights) {
    const shapes = parameterShapes(this.config);
    for (const [name, view] of this._arrays(this.places.parameters)) {
      if (LINEAR.test(name)) this._loadPanels(this.places.parameters.get(name), weights.get(name), shapes.get(name));
      else view.set(weights.get(name));
    }
    this.length = 0;
  }

  // Store a matrix (k, n) as panels at an offset; the heap's zeros pad the last one.
  _loadPanels(to, matrix, [k, n]) {
    const { heap } = this;
    const { panelColumns } = this.kernels;
    for (let j = 0; j < n; j += panelColumns) {
      const columns = Math.min(panelColumns, n - j);
      for (let l = 0; l < k; l++) {
        const place = to + j * k + l * panelColumns;
        for (let c = 0; c < columns; c++) heap[place + c] = matrix[l * n + j + c];
      }
    }
  }

  // ---- whole texts -----------------------------------------------------------------------------------------------

  /** Logits (V) after T tokens, valid until the next call, and the attention (L, H, T, T) in them. */
  look(tokens) {
    const t = tokens.length;
    const { nLayers, nHeads } = this.config;
    const attention = new Float32Array(nLayers * nHeads * t * t);
    this._run(tokens, 1, t, (layer, { p }) =>
      attention.set(this.heap.subarray(p, p + nHeads * t * t), layer * nHeads * t * t),
    );
    // Columns of later keys hold what was there before.
    for (let i = 0; i < attention.length / t; i++) attention.fill(0, i * t + (i % t) + 1, (i + 1) * t);
    this._takeRow(t - 1);
    return { logits: this._head(), attention };
  }

  // y (rows, n) = x (rows, k) W + bias, or added to y.
  _linear(y, x, name, rows, k, n, add) {
    const [weight, bias] = this._weightAndBias(name);
    this.kernels.matmulPanels(y, n, x, k, weight, rows, n, k, add, bias);
  }

  /**
   * Read tokens from an empty cache; returns the logits (V) after the last of them, valid until the next call.
   *
   * The last block computes keys and values for every position, and everything else for the last token alone.
   */
  read(tokens) {
    const { kernels, places } = this;
    const { dModel: d, nLayers } = this.config;
    const t = tokens.length;
    this._embed(tokens, t, t);
    for (let layer = 0; layer < nLayers - 1; layer++) {
      this._forwardBlock(layer, 1, t);
      this._remember(layer, places.blocks[layer].qkv, 0, t);
    }
    const last = nLayers - 1;
    const { xHat1, r1, qkv } = places.blocks[last];
    this._norm(places.normed, xHat1, r1, `h.${last}.ln_1`, t);
    const b = this._blocks[last];
    const from = d % kernels.panelColumns ? 0 : d; // keys and values, if they begin with a panel
    const panels = b.attention + from * d;
    const n = 3 * d - from;
    kernels.matmulPanels(qkv + from, 3 * d, places.normed, d, panels, t, n, d, 0, b.attentionBias + from);
    this._remember(last, qkv, 0, t);
    this._takeRow(t - 1);
    this._blockStep(last, t - 1);
    this.length = t;
    return this._head();
  }

  // Go on with the residual stream of one position alone.
  _takeRow(position) {
    const { x, row } = this.places;
    const { dModel: d } = this.config;
    this.heap.copyWithin(row.x, x + position * d, x + (position + 1) * d);
  }

  // ---- one token -------------------------------------------------------------------------------------------------

  /** Read one more token; returns the logits (V) after it, valid until the next call. */
  step(token) {
    const { heap, kernels, places } = this;
    const { dModel: d, nLayers } = this.config;
    const { x } = places.row;
    const from = places.parameters.get("wte.weight") + token * d;
    heap.copyWithin(x, from, from + d);
    kernels.add(x, places.parameters.get("wpe.weight") + this.length * d, d);
    for (let layer = 0; layer < nLayers; layer++) this._blockStep(layer, this.length);
    this.length += 1;
    return this._head();
  }

  // One block for the token at `position`, whose residual stream is `places.row.x`.
  _blockStep(layer, position) {
    const { kernels, places } = this;
    const { dModel: d, nHeads, contextLength: room, eps } = this.config;
    const { x, normed, hat, r, qkv, mixed, wide, gate, scores } = places.row;
    const b = this._blocks[layer];
    kernels.layerNorm(normed, hat, r, x, b.gain1, b.bias1, 1, d, eps);
    kernels.rowTimesPanels(qkv, normed, b.attention, 3 * d, d, 0, b.attentionBias);
    this._remember(layer, qkv, position, 1);
    kernels.attentionStep(mixed, qkv, b.keys, b.values, scores, position + 1, room, nHeads, d / nHeads);
    kernels.rowTimesPanels(x, mixed, b.projection, d, d, 1, b.projectionBias);
    kernels.layerNorm(normed, hat, r, x, b.gain2, b.bias2, 1, d, eps);
    kernels.rowTimesPanels(wide, normed, b.up, 4 * d, d, 0, b.upBias);
    kernels.gelu(wide, gate, wide, 4 * d);
    kernels.rowTimesPanels(x, wide, b.down, d, 4 * d, 1, b.downBias);
  }

  // Store keys and values of `rows` positions, from `position` on, in the cache.
  _remember(layer, qkv, position, rows) {
    const { dModel: d, nHeads, contextLength: room } = this.config;
    const { keys, values } = this._blocks[layer];
    this.kernels.remember(keys, qkv + d, position, rows, room, nHeads, d / nHeads);
    this.kernels.remember(values, qkv + 2 * d, position, rows, room, nHeads, d / nHeads);
  }

  // Logits of the token whose residual stream is `places.row.x`.
  _head() {
    const { heap, kernels, places } = this;
    const { dModel: d, eps } = this.config;
    const { x, normed, hat, r, logits } = places.row;
    kernels.layerNorm(normed, hat, r, x, ...this._weightAndBias("ln_f"), 1, d, eps);
    kernels.matrixTimesRow(logits, places.parameters.get("wte.weight"), normed, this.vocabSize, d);
    return heap.subarray(logits, logits + this.vocabSize);
  }

  // Offsets of every block's parameters and cache, once: looking them up costs more than a small model's arithmetic.
  _blockOffsets() {
    return Array.from({ length: this.config.nLayers }, (_, layer) => {
      const at = (name) => this.places.parameters.get(`h.${layer}.${name}`);
      const cached = layer * this.config.contextLength * this.config.dModel;
      return {
        keys: this.places.keys + cached,
        values: this.places.values + cached,
        gain1: at("ln_1.weight"),
        bias1: at("ln_1.bias"),
        attention: at("attn.c_attn.weight"),
        attentionBias: at("attn.c_attn.bias"),
        projection: at("attn.c_proj.weight"),
        projectionBias: at("attn.c_proj.bias"),
        gain2: at("ln_2.weight"),
        bias2: at("ln_2.bias"),
        up: at("mlp.c_fc.weight"),
        upBias: at("mlp.c_fc.bias"),
        down: at("mlp.c_proj.weight"),
        downBias: at("mlp.c_proj.bias"),
      };
    });
  }
}
