// What the page is told of a training: every loss on the clock, the held-out loss, and about twice a second the size of
// the gradients by layer and a text that the model writes now.

import { addLoss } from "../curve.js";
import { continued, promptTokens } from "../generate.js";
import { textOf } from "../tokenizer.js";
import { TOYS } from "../toys.js";
import { requireModel, theReader } from "./model.js";

const REPORT_MS = 100; // between messages on training steps
const LIVE_MS = 500; // between texts and gradients, and
const LIVE_FACTOR = 10; // at least this many times the duration of the last ones
const SAMPLE_TOKENS = 120;
const SAMPLE = { temperature: 0.8, topK: 0 };
const GREEDY = { temperature: 0, topK: 0, seed: 0 };
const LINE_BREAK = 10;

const PARTS = { ln_1: "attention", attn: "attention", ln_2: "MLP", mlp: "MLP" };

function layerOf(parameter) {
  const [, block, part] = parameter.match(/^h\.(\d+)\.(ln_1|attn|ln_2|mlp)\b/) ?? [];
  if (block) return `block ${Number(block) + 1} ${PARTS[part]}`;
  return parameter.startsWith("ln_f") ? "final norm" : "embedding";
}

/** Norms of the gradients by layer, from Σ dθ² by parameter: embedding, each block's attention and MLP, final norm. */
export function gradientNorms(squares) {
  const layers = new Map();
  for (const [parameter, square] of squares) {
    const layer = layerOf(parameter);
    layers.set(layer, (layers.get(layer) ?? 0) + square);
  }
  return Array.from(layers, ([name, square]) => ({ name, norm: Math.sqrt(square) }));
}

/** The progress of one training. */
export class Progress {
  /**
   * @param {Task} task
   * @param {object} engine in training
   * @param {object} run its settings (snapshot.js)
   * @param {{steps: number, prompt: string, questions: string[]}} wanted steps to take, and a text to continue or
   *   questions of a toy task to answer
   */
  constructor(task, engine, run, wanted) {
    Object.assign(this, { task, engine, run, wanted });
    this._first = engine.updates;
    this._losses = []; // [step, loss, milliseconds], not reported yet
    this._loss = null;
    this._busy = 0; // milliseconds of steps
    this._zero = performance.now() - run.milliseconds;
    this._reported = 0;
    this._liveAt = 0;
    this._failureTold = false;
  }

  /** Steps taken; an engine whose device failed goes back to its last snapshot. */
  get done() {
    return this.engine.updates - this._first;
  }

  /** Milliseconds of training, with those before a snapshot and without pauses. */
  get milliseconds() {
    return performance.now() - this._zero;
  }

  /** True if there are losses that the page does not know. */
  get unreported() {
    return this._losses.length > 0;
  }

  /** Leave a pause out of the training's clock. */
  leaveOut(milliseconds) {
    this._zero += milliseconds;
  }

  /** Note the losses of the next steps, nats per byte, which took some milliseconds. */
  note(losses, milliseconds) {
    this._busy += milliseconds;
    const before = this.engine.updates - losses.length;
    for (const [i, loss] of losses.entries()) {
      this._loss = loss;
      this._losses.push([before + i + 1, loss, this.milliseconds]);
      addLoss(this.run.curve.train, this.milliseconds / 1000, loss);
    }
  }

  /** Tell the page, unless it was told just now or is still busy with that. */
  async reportIfDue() {
    if (this.task.followed && performance.now() - this._reported >= REPORT_MS) await this.report();
  }

  /** Tell the page. */
  async report(heldOut) {
    const { done, _busy: busy, milliseconds } = this;
    const news = { step: this._first + done, done, milliseconds, losses: this._losses.splice(0) };
    if (done) {
      news.loss = this._loss;
      news.stepsPerSecond = (done * 1000) / busy;
      news.secondsLeft = ((this.wanted.steps - done) * busy) / done / 1000;
    }
    if (heldOut !== undefined) {
      news.heldOut = heldOut;
      addLoss(this.run.curve.heldOut, milliseconds / 1000, heldOut);
    }
    const { failure } = this.engine;
    if (failure && !this._failureTold) {
      this._failureTold = true;
      news.failure = { message: `${failure.message} WebAssembly goes on from step ${news.step}.`, report: failure.report };
    }
    if (heldOut !== undefined || performance.now() >= this._liveAt) Object.assign(news, await this._live());
    this.task.post(news);
    this._reported = performance.now();
  }

  async _live() {
    const begun = performance.now();
    const news = await this._text();
    const squares = await this.engine.gradientSquares();
    if (squares) news.gradients = gradientNorms(squares);
    const ended = performance.now();
    this._liveAt = ended + Math.max(LIVE_MS, LIVE_FACTOR * (ended - begun));
    return news;
  }

  async _text() {
    const writer = await theReader();
    const { prompt, questions } = this.wanted;
    if (this.run.toy) {
      const toy = TOYS[this.run.toy];
      const sample = await answers(writer, toy, questions);
      this.run.score = toy.score(sample);
      return { sample, score: this.run.score };
    }
    const { tokenizer } = requireModel();
    const window = promptTokens(prompt, tokenizer, writer.config.contextLength);
    const tokens = await continued(writer, window, { ...SAMPLE, seed: this.run.seed }, SAMPLE_TOKENS);
    return { sample: textOf(tokens, tokenizer) };
  }
}

// The likeliest answer to each question of a toy task, one in each line.
async function answers(writer, toy, questions) {
  let text = "";
  for (const question of questions) {
    const prompt = new TextEncoder().encode(question);
    const tokens = await continued(writer, prompt, GREEDY, toy.length - prompt.length, LINE_BREAK);
    text += `${question}${new TextDecoder().decode(Uint8Array.from(tokens)).replace(/\n$/, "")}\n`;
  }
  return text;
}
