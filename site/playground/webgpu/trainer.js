// Training on a device, behind the interface of ../backends.js.
//
// Several steps are one submission: tokens and settings of all of them go into a queue on the device, and each step
// begins by copying its own. Their losses come back together, in a buffer of their own.

import { Model } from "./model.js";
import { Passes } from "./passes.js";
import { MOST_STEPS, UPDATE_FLOATS, planOf } from "./plan.js";

const SUBMISSION_MS = 80; // of work, so that a page stays responsive and no driver takes it for hung

export class Trainer extends Model {
  /**
   * @param {object} gpu of device.js
   * @param {object} config as of Engine
   * @param {number} batchSize B
   * @param {boolean} halves whether products are of 16-bit numbers
   */
  static create(gpu, config, batchSize, halves = false) {
    const plan = planOf(config, batchSize, gpu.limits, halves);
    const make = new Passes(plan);
    const { blocks, rows } = plan;
    const ofBlocks = (...names) => blocks.flatMap((block) => names.flatMap((name) => make[name](block)));
    const passes = {
      forward: [...make.blocks(), ...make.lastNorm(`x.${config.nLayers}`, rows)],
      losses: ofBlocks("logits", "loss"),
      gradients: [...ofBlocks("logits", "loss", "head"), ...make.backward()],
      update: make.update(),
    };
    for (const [i, block] of blocks.entries()) passes[`logits.${i}`] = make.logits(block);
    return super.create(gpu, plan, new Map(Object.entries(passes)));
  }

  constructor(gpu, plan) {
    super(gpu, plan);
    this.batchSize = plan.batch;
    this.updates = 0;
    this.stepsAtOnce = 1;
    this._ended = 0; // when the last results came
  }

  _createBuffers(passes) {
    super._createBuffers(passes);
    this.write("span", Uint32Array.of(0, this.plan.rows));
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const size = 4 * MOST_STEPS * (1 + this.plan.rows);
    this._backs = ["back1", "back2"].map((label) => this.gpu.device.createBuffer({ label, size, usage }));
    for (const back of this._backs) this.buffers.set(back.label, back);
  }

  /** Go on from a snapshot. */
  restore({ weights, moments, updates }) {
    this.load(weights);
    for (const [i, name] of ["firstMoments", "secondMoments"].entries()) this.writeNamed(name, moments[i]);
    this.updates = updates;
  }

  async weights() {
    return (await this._parameters("weights"))[0];
  }

  /** Gradients of the last step or of `lossAndGradients`, before clipping. */
  async gradients() {
    return (await this._parameters("gradients"))[0];
  }

  /** Weights, moments and number of updates, all of one moment. */
  async snapshot() {
    const { updates } = this;
    const [weights, ...moments] = await this._parameters("weights", "firstMoments", "secondMoments");
    return { weights, moments, updates };
  }

  async _parameters(...names) {
    const { floats } = this.plan.parameters;
    const numbers = await this.readBack(...names.map((name) => [name, 0, floats]));
    return names.map((_, i) => this.named(numbers.subarray(i * floats, (i + 1) * floats)));
  }

  /** Name → Σ dθ² of the last step, or null before it. */
  async gradientSquares() {
    if (!this.updates) return null;
    const square = (view) => view.reduce((sum, value) => sum + value * value, 0);
    return new Map(Array.from(await this.gradients(), ([name, view]) => [name, square(view)]));
  }

  // ---- steps -----------------------------------------------------------------------------------------------------

  /**
   * Take some steps, at most MOST_STEPS.
   *
   * @param {{inputs: ArrayLike<number>, targets: ArrayLike<number>, settings: object}[]} steps B · T tokens each
   * @returns {Promise<{loss: number, gradNorm: number}[]>} loss before each update, norm before clipping
   */
  async trainSteps(steps) {
    const { rows } = this.plan;
    const begun = performance.now();
    this.write("queue", this._queueOf(steps));
    const length = 2 * rows + UPDATE_FLOATS;
    const back = this._backs.pop(); // one for each call under way
    this.submit((encoder) => {
      for (let i = 0; i < steps.length; i++) {
        this._copy(encoder, "queue", i * length, "tokens", 2 * rows);
        this._copy(encoder, "queue", i * length + 2 * rows, "update", UPDATE_FLOATS);
        this.record(encoder, ["forward", "gradients", "update"], rows);
        encoder.copyBufferToBuffer(this.buffers.get("report"), 0, back, 4 * i * (1 + rows), 4 * (1 + rows));
      }
    });
    const bytes = 4 * steps.length * (1 + rows);
    await this.gpu.settled(back.mapAsync(GPUMapMode.READ, 0, bytes));
    const numbers = new Float32Array(back.getMappedRange(0, bytes));
    const results = steps.map((_, i) => {
      const own = numbers.subarray(i * (1 + rows), (i + 1) * (1 + rows));
      return { loss: mean(own.subarray(1)), gradNorm: own[0] };
    });
    back.unmap();
    this._backs.push(back);
    const ended = performance.now();
    const wanted = Math.round((SUBMISSION_MS * steps.length) / (ended - Math.max(begun, this._ended)));
    this._ended = ended;
    this.stepsAtOnce = Math.max(1, Math.min(MOST_STEPS, 2 * this.stepsAtOnce, wanted));
    return results;
  }

  // Tokens of each step, and the numbers of its update.
  _queueOf(steps) {
    const { rows } = this.plan;
    const length = 2 * rows + UPDATE_FLOATS;
    const queue = new Uint32Array(steps.length * length);
    const floats = new Float32Array(queue.buffer);
    for (const [i, { inputs, targets, settings }] of steps.entries()) {
      this.updates += 1;
      queue.set(inputs, i * length);
      queue.set(targets, i * length + rows);
      floats.set(updateNumbers(settings, this.updates), i * length + 2 * rows);
    }
    return queue;
  }

  _copy(encoder, source, first, to, count) {
    encoder.copyBufferToBuffer(this.buffers.get(source), 4 * first, this.buffers.get(to), 0, 4 * count);
  }

  // ---- without an update -----------------------------------------------------------------------------------------

  _run(names, inputs, targets = []) {
    const tokens = new Uint32Array(2 * this.plan.rows); // a smaller batch is filled up with zeros
    tokens.set(inputs);
    tokens.set(targets, this.plan.rows);
    this.write("tokens", tokens);
    this.submit((encoder) => this.record(encoder, names, this.plan.rows));
  }

  /** Logits (B · T, V) of a whole batch. */
  async logits(inputs) {
    const { blocks, columns, rows, vocabSize } = this.plan;
    const logits = new Float32Array(rows * vocabSize);
    for (const [i, [first, count]] of blocks.entries()) {
      this._run(["forward", `logits.${i}`], inputs);
      const part = await this.readBack(["logits", 0, count * columns]);
      for (let row = 0; row < count; row++) {
        logits.set(part.subarray(row * columns, row * columns + vocabSize), (first + row) * vocabSize);
      }
    }
    return logits;
  }

  /** Mean loss over `batch` sequences (at most the engine's), nats per token. */
  async loss(inputs, targets, batch) {
    this._run(["forward", "losses"], inputs, targets);
    return mean(await this.readBack(["report", 1, batch * this.config.contextLength]));
  }

  /** Loss of a batch, leaving the gradient of every parameter in `gradients()`. */
  async lossAndGradients(inputs, targets) {
    this._run(["forward", "gradients"], inputs, targets);
    return mean(await this.readBack(["report", 1, this.plan.rows]));
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// The fields of Update in adamw.wgsl.
function updateNumbers({ learningRate, beta1, beta2, eps, weightDecay, gradClip }, updates) {
  const corrections = [1 - beta1 ** updates, 1 - beta2 ** updates];
  const keep = 1 - learningRate * weightDecay;
  return [learningRate, beta1, beta2, 1 - beta1, 1 - beta2, ...corrections, eps, keep, gradClip];
}
