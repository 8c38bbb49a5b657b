// Engines that go on when their device fails: on another backend, from what was kept on this side.
//
// `failure` says what happened, once it has; a page shows it.

import { drawWeights } from "../engine/weights.js";
import { parameterShapes, size } from "../layout.js";
import { Model } from "./model.js";

const SNAPSHOT_MS = 5_000; // at least, between snapshots of a training, and
const SNAPSHOT_FACTOR = 20; // at least this many times the duration of the last one

class Lasting {
  /**
   * @param {object} engine of a device
   * @param {() => Promise<object>} other makes an engine that needs no device
   */
  constructor(engine, other) {
    this._engine = engine;
    this._other = other;
    this.failure = null;
  }

  get config() {
    return this._engine.config;
  }

  get bytes() {
    return this._engine.bytes;
  }

  // What `act` makes of the engine; if the device fails, what `again` makes of the other one.
  async _ask(act, again = act) {
    const engine = this._engine;
    try {
      return await act(engine);
    } catch (error) {
      if (error.report === undefined || !(engine instanceof Model)) throw error;
      await (this._replaced ??= this._replace(error));
      return again(this._engine);
    }
  }

  async _replace(failure) {
    this.failure = failure;
    this._engine.destroy();
    this._engine = await this._other();
    await this._restore(this._engine);
  }

  destroy() {
    this._engine.destroy();
  }
}

/** An engine that trains. It goes on from its last snapshot, so some steps are taken twice, with the same batches. */
export class LastingTrainer extends Lasting {
  constructor(engine, other) {
    super(engine, other);
    this._kept = null; // snapshot, or weights alone, to go on from
    this._nextSnapshot = 0;
  }

  get updates() {
    return this._engine.updates;
  }

  get stepsAtOnce() {
    return this._engine.stepsAtOnce;
  }

  /** Draw starting weights. */
  initialise(normal) {
    const shapes = parameterShapes(this.config);
    const weights = new Map(Array.from(shapes, ([name, shape]) => [name, new Float32Array(size(shape))]));
    drawWeights(weights, this.config, normal);
    return this.load(weights);
  }

  load(weights) {
    this._kept = { weights };
    return this._ask((engine) => engine.load(weights));
  }

  restore(snapshot) {
    this._kept = snapshot;
    return this._ask((engine) => engine.restore(snapshot));
  }

  _restore(engine) {
    if (this._kept.moments) engine.restore(this._kept);
    else engine.load(this._kept.weights);
  }

  /** Take steps; none if the device fails: `updates` says where to go on. */
  trainSteps(steps) {
    const taken = async (engine) => {
      const results = await engine.trainSteps(steps);
      if (!this.failure && performance.now() >= this._nextSnapshot) await this._takeSnapshot();
      return results;
    };
    return this._ask(taken, () => []);
  }

  async _takeSnapshot() {
    const begun = performance.now();
    this._kept = await this._engine.snapshot();
    const ended = performance.now();
    this._nextSnapshot = ended + Math.max(SNAPSHOT_MS, SNAPSHOT_FACTOR * (ended - begun));
  }

  weights() {
    return this._ask((engine) => engine.weights());
  }

  snapshot() {
    return this._ask((engine) => engine.snapshot());
  }

  gradientSquares() {
    return this._ask((engine) => engine.gradientSquares());
  }

  loss(inputs, targets, rows) {
    return this._ask((engine) => engine.loss(inputs, targets, rows));
  }
}

/** An engine that reads. The other one reads the window again. */
export class LastingReader extends Lasting {
  get length() {
    return this._engine.length;
  }

  load(weights) {
    this._weights = weights;
    return this._ask((engine) => engine.load(weights));
  }

  _restore(engine) {
    engine.load(this._weights);
  }

  read(tokens) {
    this._window = [...tokens];
    return this._ask((engine) => engine.read(tokens));
  }

  step(token) {
    this._window.push(token);
    return this._ask(
      (engine) => engine.step(token),
      (engine) => engine.read(this._window),
    );
  }

  look(tokens) {
    return this._ask((engine) => engine.look(tokens));
  }
}
