// GPT-2 over a kernel object: layout, forward, backward, AdamW, and one token at a time with a key-value cache.
//
// Names, shapes and formulas are those of tinygpt/params.py, tinygpt/layers.py and tinygpt/optim.py:
//
//   B sequences, T positions, D width, H heads, C = D / H, F = 4 D, V = 256 byte values, L blocks, N = B · T rows
//
// All arrays are in the kernels' heap of float32; an "offset" is an index into it. dx is ∂loss/∂x. A backward
// overwrites the gradients of weights and adds to that of the residual stream.
//
// An engine trains or reads. A reading engine stores the linear layers' matrices in panels, (outputs / p, inputs, p)
// for the p columns that the kernels compute at a time: each token reads every weight once, fastest in sequence.

import { attention, attentionBackward } from "./attention.js";
import { heapSize, layOut, LINEAR, parameterShapes, size, VOCABULARY } from "./layout.js";

/** AdamW and clipping as tinygpt.config.TrainConfig has them. */
export const TRAINING = { learningRate: 3e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, gradClip: 1 };

/** Draw starting weights into arrays by name: N(0, 0.02), residual projections N(0, 0.02 / √(2 L)), biases 0, gains 1. */
export function drawWeights(arrays, { nLayers }, normal) {
  const residual = 0.02 / Math.sqrt(2 * nLayers);
  for (const [name, view] of arrays) {
    if (name.endsWith(".bias")) view.fill(0);
    else if (name.includes("ln_")) view.fill(1);
    else {
      const deviation = name.endsWith("c_proj.weight") ? residual : 0.02;
      for (let i = 0; i < view.length; i++) view[i] = normal() * deviation;
    }
  }
}

/** A model in a heap. */
export class Engine {
  /**
   * @param {object} config nLayers, dModel, nHeads, contextLength, eps
   * @param {(floats: number) => object} createKernels of kernels-js.js or kernels-wasm.js
   * @param {number} batchSize B to train with; 0 for a reading engine
   * @throws {RangeError} the memory was refused
   */
  constructor(config, createKernels, batchSize = 0) {
    this.config = config;
    this.batchSize = batchSize;
    this.kernels = createKernels(heapSize(config, batchSize));
    this.heap = this.kernels.heap;
    const batch = Math.max(1, batchSize);
    this.places = layOut(config, batch * config.contextLength, batch, batchSize > 0, this.kernels.heapStart);
    this.updates = 0;
    this.length = 0; // positions in the cache
    this.bytes = this.heap.byteLength;
    this.stepsAtOnce = 1; // of trainSteps
    this._squares = null; // Σ dθ² of the last step by name
  }

  // ---- weights ---------------------------------------------------------------------------------------------------

  _arrays(places) {
    const arrays = new Map();
    for (const [name, shape] of parameterShapes(this.config)) {
      const offset = places.get(name);
      arrays.set(name, this.heap.subarray(offset, offset + size(shape)));
    }
    return arrays;
  }

  /** Name → view of every parameter; of a training engine. */
  weights() {
    return this._arrays(this.places.parameters);
  }

  /** Name → view of every gradient; of a training engine, after a backward. */
  gradients() {
    return this._arrays(this.places.gradients);
  }

  /** Name → Σ dθ² of the last training step, or null before it. */
  gradientSquares() {
    return this._squares;
  }

  /** AdamW's two moments, as views; of a training engine. */
  moments() {
    return [this._arrays(this.places.firstMoments), this._arrays(this.places.secondMoments)];
  }

  /** Weights and moments, as views, and the number of updates; of a training engine. */
  snapshot() {
    return { weights: this.weights(), moments: this.moments(), updates: this.updates };
  }

  /** Go on from a snapshot. */
  restore({ weights, moments, updates }) {
    this.load(weights);
    for (const [i, arrays] of this.moments().entries()) arrays.forEach((view, name) => view.set(moments[i].get(name)));
    this.updates = updates;
  }

  /** Copy weights from a map with every name. */
  load(weights) {
    const shapes = parameterShapes(this.config);
    for (const [name, view] of this._arrays(this.places.parameters)) {
      const array = weights.get(name);
      if (this.batchSize || !LINEAR.test(name)) view.set(array);
      else this._loadPanels(this.places.parameters.get(name), array, shapes.get(name));
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

  /**
   * Draw a training engine's starting weights.
   *
   * @param {() => number} normal draws from N(0, 1)
   */
  initialise(normal) {
    drawWeights(this.weights(), this.config, normal);
  }

  // ---- forward ---------------------------------------------------------------------------------------------------

  /**
   * Logits of `batch` sequences of `t` tokens: a view of the heap, valid until the next call.
   *
   * @param {ArrayLike<number>} tokens (batch · t)
   * @param {(layer: number, block: object) => void} visit called after every block
   */
  forward(tokens, batch, t, visit = () => {}) {
    const { heap, kernels, places } = this;
    const d = this.config.dModel;
    const rows = batch * t;
    const table = places.parameters.get("wte.weight");
    this._embed(tokens, rows, t);
    for (let layer = 0; layer < this.config.nLayers; layer++) {
      this._forwardBlock(layer, batch, t);
      visit(layer, places.blocks[layer]);
    }
    this._norm(places.normed, places.xHat, places.r, "ln_f", rows);
    kernels.matmul(places.logits, VOCABULARY, places.normed, d, 1, table, 1, d, rows, VOCABULARY, d, 0, 0);
    return heap.subarray(places.logits, places.logits + rows * VOCABULARY);
  }

  /** Logits (T, V) of T tokens, and the attention (L, H, T, T) in them. */
  look(tokens) {
    const t = tokens.length;
    const { nLayers, nHeads } = this.config;
    const attention = new Float32Array(nLayers * nHeads * t * t);
    const logits = this.forward(tokens, 1, t, (layer, { p }) =>
      attention.set(this.heap.subarray(p, p + nHeads * t * t), layer * nHeads * t * t),
    );
    // Columns of later keys hold what was there before.
    for (let i = 0; i < attention.length / t; i++) attention.fill(0, i * t + (i % t) + 1, (i + 1) * t);
    return { logits, attention };
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

  // y (rows, n) = x (rows, k) W + bias, or added to y.
  _linear(y, x, name, rows, k, n, add) {
    const { kernels, places } = this;
    const [weight, bias] = this._weightAndBias(name);
    if (this.batchSize) kernels.matmul(y, n, x, k, 1, weight, n, 1, rows, n, k, add, bias);
    else kernels.matmulPanels(y, n, x, k, weight, rows, n, k, add, bias);
  }

  /** Replace logits by their softmax; returns the mean of −log softmax[target], nats per token. */
  _crossEntropy(targets, rows) {
    const { heap, kernels, places } = this;
    kernels.softmaxRows(places.logits, rows, VOCABULARY);
    let loss = 0;
    for (let i = 0; i < rows; i++) loss -= Math.log(heap[places.logits + i * VOCABULARY + targets[i]]);
    return loss / rows;
  }

  /** Mean loss over `batch` sequences (at most the engine's), nats per token. */
  loss(inputs, targets, batch) {
    this.forward(inputs, batch, this.config.contextLength);
    return this._crossEntropy(targets, batch * this.config.contextLength);
  }

  // ---- backward --------------------------------------------------------------------------------------------------

  /** Loss of a batch (B · T tokens), leaving the gradient of every parameter in `gradients()`. */
  lossAndGradients(inputs, targets) {
    const { heap, kernels, places, config } = this;
    const { dModel: d, nHeads, contextLength: t, nLayers } = config;
    const batch = this.batchSize;
    const rows = batch * t;
    const w = places.parameters;
    const g = places.gradients;
    const loss = this.loss(inputs, targets, batch);

    // ∂loss/∂logits = (softmax − onehot) / N
    const { logits, normed, hidden, dx, dNormed, dWide } = places;
    for (let i = 0; i < rows; i++) heap[logits + i * VOCABULARY + targets[i]] -= 1;
    kernels.scale(logits, rows * VOCABULARY, 1 / rows);
    const table = w.get("wte.weight");
    const dTable = g.get("wte.weight");
    kernels.matmul(dNormed, d, logits, VOCABULARY, 1, table, d, 1, rows, d, VOCABULARY, 0, 0);
    kernels.matmul(dTable, d, logits, 1, VOCABULARY, normed, d, 1, VOCABULARY, d, rows, 0, 0);
    heap.fill(0, dx, dx + rows * d);
    const normBackward = (name, hat, r) => {
      const [dGain, dBias] = this._weightAndBias(name, g);
      kernels.layerNormBackward(dx, dGain, dBias, dNormed, hat, r, w.get(`${name}.weight`), rows, d);
    };
    normBackward("ln_f", places.xHat, places.r);

    for (let layer = nLayers - 1; layer >= 0; layer--) {
      const h = `h.${layer}`;
      const block = places.blocks[layer];
      // y = x W + b with x (rows, k), W (k, n): dW = xᵀ dy, db = Σ dy, dxIn = dy Wᵀ
      const inner = (out, dy, name, k, n) =>
        kernels.matmul(out, k, dy, n, 1, w.get(`${h}.${name}.weight`), 1, n, rows, k, n, 0, 0);
      const outer = (x, dy, name, k, n) => {
        const [dWeight, dBias] = this._weightAndBias(`${h}.${name}`, g);
        kernels.matmul(dWeight, n, x, 1, k, dy, n, 1, k, n, rows, 0, 0);
        kernels.columnSums(dBias, dy, rows, n);
      };
      const again = (name, hat) =>
        kernels.scaleShift(normed, hat, ...this._weightAndBias(`${h}.${name}`), rows, d);

      inner(dWide, dx, "mlp.c_proj", 4 * d, d);
      kernels.geluBackward(dWide, hidden, block.gate, block.wide, rows * 4 * d);
      outer(hidden, dx, "mlp.c_proj", 4 * d, d);
      inner(dNormed, dWide, "mlp.c_fc", d, 4 * d);
      again("ln_2", block.xHat2);
      outer(normed, dWide, "mlp.c_fc", d, 4 * d);
      normBackward(`${h}.ln_2`, block.xHat2, block.r2);

      inner(dNormed, dx, "attn.c_proj", d, d);
      outer(block.mixed, dx, "attn.c_proj", d, d);
      attentionBackward(kernels, dWide, dNormed, block.p, block.qkv, places.dScores, batch, t, nHeads, d / nHeads);
      inner(dNormed, dWide, "attn.c_attn", d, 3 * d);
      again("ln_1", block.xHat1);
      outer(normed, dWide, "attn.c_attn", d, 3 * d);
      normBackward(`${h}.ln_1`, block.xHat1, block.r1);
    }

    const dPositions = g.get("wpe.weight");
    heap.fill(0, dPositions, dPositions + t * d);
    for (let i = 0; i < rows; i++) {
      kernels.add(dTable + inputs[i] * d, dx + i * d, d);
      kernels.add(dPositions + (i % t) * d, dx + i * d, d);
    }
    return loss;
  }

  /**
   * One training step: gradients, clipping at a global norm, AdamW.
   *
   * @returns {{loss: number, gradNorm: number}} loss before the update, norm before clipping
   */
  trainStep(inputs, targets, settings = TRAINING) {
    const { kernels, places } = this;
    const loss = this.lossAndGradients(inputs, targets);
    const shapes = parameterShapes(this.config);
    this._squares = new Map();
    for (const [name, shape] of shapes) {
      this._squares.set(name, kernels.sumSquares(places.gradients.get(name), size(shape)));
    }
    const gradNorm = Math.sqrt([...this._squares.values()].reduce((a, b) => a + b));
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) return { loss, gradNorm };
    const clip = Math.min(1, settings.gradClip / (gradNorm + 1e-6));
    const { learningRate: rate, beta1, beta2, eps, weightDecay } = settings;
    this.updates += 1;
    const correction1 = 1 - beta1 ** this.updates;
    const correction2 = 1 - beta2 ** this.updates;
    for (const [name, shape] of shapes) {
      const offset = [places.parameters, places.gradients, places.firstMoments, places.secondMoments];
      const keep = shape.length >= 2 ? 1 - rate * weightDecay : 1;
      kernels.adamw(
        ...offset.map((map) => map.get(name)),
        size(shape),
        clip,
        keep,
        rate,
        beta1,
        beta2,
        correction1,
        correction2,
        eps,
      );
    }
    return { loss, gradNorm };
  }

  destroy() {} // the heap goes with its engine

  /** Several training steps, one after the other. */
  trainSteps(steps) {
    return steps.map(({ inputs, targets, settings }) => this.trainStep(inputs, targets, settings));
  }

  // ---- generation, of an engine that reads ---------------------------------------------------------------------

  /**
   * Read tokens from an empty cache; returns the logits (V) after the last of them, valid until the next call.
   *
   * The last block computes keys and values for every position, and everything else for the last token alone.
   */
  read(tokens) {
    const { heap, kernels, places } = this;
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
    const b = this._blocks()[last];
    const from = d % kernels.panelColumns ? 0 : d; // keys and values, if they begin with a panel
    const panels = b.attention + from * d;
    const n = 3 * d - from;
    kernels.matmulPanels(qkv + from, 3 * d, places.normed, d, panels, t, n, d, 0, b.attentionBias + from);
    this._remember(last, qkv, 0, t);
    heap.copyWithin(places.row.x, places.x + (t - 1) * d, places.x + t * d);
    this._blockStep(last, t - 1);
    this.length = t;
    return this._head();
  }

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
    const b = this._blocks()[layer];
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
    const { keys, values } = this._blocks()[layer];
    this.kernels.remember(keys, qkv + d, position, rows, room, nHeads, d / nHeads);
    this.kernels.remember(values, qkv + 2 * d, position, rows, room, nHeads, d / nHeads);
  }

  // Logits of the token whose residual stream is `places.row.x`.
  _head() {
    const { heap, kernels, places } = this;
    const { dModel: d, eps } = this.config;
    const { x, normed, hat, r, logits } = places.row;
    kernels.layerNorm(normed, hat, r, x, ...this._weightAndBias("ln_f"), 1, d, eps);
    kernels.matrixTimesRow(logits, places.parameters.get("wte.weight"), normed, VOCABULARY, d);
    return heap.subarray(logits, logits + VOCABULARY);
  }

  // Offsets of every block's parameters and cache, once: looking them up costs more than a small model's arithmetic.
  _blocks() {
    this._blockOffsets ??= Array.from({ length: this.config.nLayers }, (_, layer) => {
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
    return this._blockOffsets;
  }
}
