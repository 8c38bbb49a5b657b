// Training over a kernel object: loss, backward, AdamW.
//
// A backward overwrites the gradients of weights and adds to that of the residual stream.

import { parameterShapes, size } from "../layout.js";
import { attentionBackward } from "./attention.js";
import { Forward } from "./forward.js";
import { drawWeights, TRAINING } from "./weights.js";

/** A model in training. */
export class TrainingEngine extends Forward {
  constructor(config, createKernels, batchSize) {
    super(config, createKernels, batchSize);
    this.updates = 0;
    this.stepsAtOnce = 1; // of trainSteps
    this._squares = null; // Σ dθ² of the last step by name
  }

  // ---- weights ---------------------------------------------------------------------------------------------------

  /** Name → view of every parameter. */
  weights() {
    return this._arrays(this.places.parameters);
  }

  /** Name → view of every gradient, after a backward. */
  gradients() {
    return this._arrays(this.places.gradients);
  }

  /** Name → Σ dθ² of the last training step, or null before it. */
  gradientSquares() {
    return this._squares;
  }

  /** AdamW's two moments, as views. */
  moments() {
    return [this._arrays(this.places.firstMoments), this._arrays(this.places.secondMoments)];
  }

  /** Weights and moments, as views, and the number of updates. */
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
    for (const [name, view] of this.weights()) view.set(weights.get(name));
  }

  /**
   * Draw starting weights.
   *
   * @param {() => number} normal draws from N(0, 1)
   */
  initialise(normal) {
    drawWeights(this.weights(), this.config, normal);
  }

  // ---- loss ------------------------------------------------------------------------------------------------------

  /** Logits of `batch` sequences of `t` tokens: a view of the heap, valid until the next call. */
  forward(tokens, batch, t) {
    const { kernels, places, vocabSize: v } = this;
    const { dModel: d } = this.config;
    const rows = batch * t;
    this._run(tokens, batch, t);
    this._norm(places.normed, places.xHat, places.r, "ln_f", rows);
    const table = places.parameters.get("wte.weight");
    kernels.matmul(places.logits, v, places.normed, d, 1, table, 1, d, rows, v, d, 0, 0);
    return this.heap.subarray(places.logits, places.logits + rows * v);
  }

  // y (rows, n) = x (rows, k) W + bias, or added to y.
  _linear(y, x, name, rows, k, n, add) {
    const [weight, bias] = this._weightAndBias(name);
    this.kernels.matmul(y, n, x, k, 1, weight, n, 1, rows, n, k, add, bias);
  }

  /** Replace logits by their softmax; returns the mean of −log softmax[target], nats per token. */
  _crossEntropy(targets, rows) {
    const { heap, kernels, places, vocabSize: v } = this;
    kernels.softmaxRows(places.logits, rows, v);
    let loss = 0;
    for (let i = 0; i < rows; i++) loss -= Math.log(heap[places.logits + i * v + targets[i]]);
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
    const { heap, kernels, places, config, vocabSize: v } = this;
    const { dModel: d, nHeads, contextLength: t, nLayers } = config;
    const batch = this.batchSize;
    const rows = batch * t;
    const w = places.parameters;
    const g = places.gradients;
    const loss = this.loss(inputs, targets, batch);

    // ∂loss/∂logits = (softmax − onehot) / N
    const { logits, normed, hidden, dx, dNormed, dWide } = places;
    for (let i = 0; i < rows; i++) heap[logits + i * v + targets[i]] -= 1;
    kernels.scale(logits, rows * v, 1 / rows);
    const table = w.get("wte.weight");
    const dTable = g.get("wte.weight");
    kernels.matmul(dNormed, d, logits, v, 1, table, d, 1, rows, d, v, 0, 0);
    kernels.matmul(dTable, d, logits, 1, v, normed, d, 1, v, d, rows, 0, 0);
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

  /** Several training steps, one after the other. */
  trainSteps(steps) {
    return steps.map(({ inputs, targets, settings }) => this.trainStep(inputs, targets, settings));
  }
}
