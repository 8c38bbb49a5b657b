// Measure: one cell of the curve, and what a training is going to need.

import { createEngine, onCard } from "../backends.js";
import { drawBatch, evaluate, evaluationBatches, memorizationWarning, partsOf } from "../corpus.js";
import { TRAINING } from "../engine/weights.js";
import { createNormal, createRandom } from "../generate.js";
import { heapSize, parameterCount } from "../layout.js";
import { requireModel } from "./model.js";

const TOGETHER = 3; // steps of a graphics card with one wait, as in bench/arms/registry.py

/** Warm-up and measured steps of one preset with one backend, from the same weights. */
export async function measure({ kind, config, batchSize, text, seed, warmupSteps, measuredSteps }, task) {
  const begun = performance.now();
  const engine = await createEngine(config, batchSize, kind);
  if (engine.failure) throw new Error(engine.failure.message);
  await engine.initialise(createNormal(createRandom(seed)));
  const setupSeconds = (performance.now() - begun) / 1000;
  const steps = [];
  const start = performance.now();
  const all = warmupSteps + measuredSteps;
  const group = onCard(kind) ? TOGETHER : 1;
  while (steps.length < all && !task.stopped) {
    const numbers = Array.from({ length: Math.min(group, all - steps.length) }, (_, i) => steps.length + i);
    const batches = numbers.map((step) => drawBatch(text, batchSize, config.contextLength, seed, step));
    const before = performance.now();
    const results = await engine.trainSteps(batches.map((batch) => ({ ...batch, settings: TRAINING })));
    const after = performance.now();
    if (engine.failure) throw new Error(engine.failure.message);
    for (const [i, result] of results.entries()) {
      steps.push({
        step: numbers[i] + 1,
        isWarmup: numbers[i] < warmupSteps,
        seconds: (after - before) / 1000 / results.length,
        ...result,
        elapsedSeconds: (after - start) / 1000,
      });
    }
    task.post({ done: steps.length, of: all });
    await task.turn();
  }
  engine.destroy();
  return {
    steps,
    setupSeconds,
    wallSeconds: (performance.now() - begun) / 1000,
    bytes: engine.bytes,
    stopped: steps.length < all,
  };
}

/** Loss of the model on the held-out part of a text, nats per byte. */
export async function judge({ text, batchSize }) {
  const { config, tokenizer, weights } = requireModel();
  const { heldOut, perByte } = partsOf({ text }, config.contextLength, tokenizer);
  const engine = await createEngine(config, batchSize);
  await engine.load(await weights());
  const loss = await evaluate(engine, evaluationBatches(heldOut, batchSize, config.contextLength));
  engine.destroy();
  return { heldOut: loss * perByte };
}

/**
 * Estimate a training: memory, seconds a step, and the memorization warning. Of a graphics card, whose speed depends on
 * the size of the model, the seconds are null.
 */
export async function estimate({ config, batchSize, nBytes }) {
  const bytes = 4 * (heapSize(config, batchSize) + heapSize(config)); // to train, and to write samples
  const known = !onCard();
  const secondsPerStep = known ? workOfStep(config, batchSize) / (await workPerSecond()) : null;
  return { bytes, secondsPerStep, warning: memorizationWarning(nBytes, config) };
}

let measuredWork = 0;

// Floating-point operations per second, from a few steps of a small model.
async function workPerSecond() {
  if (measuredWork) return measuredWork;
  const batchSize = 16;
  const config = { nLayers: 2, dModel: 48, nHeads: 3, contextLength: 32, eps: 1e-5 };
  const engine = await createEngine(config, batchSize);
  await engine.initialise(createNormal(createRandom(0)));
  const tokens = new Uint8Array(batchSize * config.contextLength);
  const times = [];
  for (let i = 0; i < 6; i++) {
    const begun = performance.now();
    await engine.trainSteps([{ inputs: tokens, targets: tokens, settings: TRAINING }]);
    times.push(performance.now() - begun);
  }
  engine.destroy();
  measuredWork = workOfStep(config, batchSize) / (Math.min(...times) / 1000);
  return measuredWork;
}

// Floating-point operations of a step.
function workOfStep(config, batchSize) {
  const { nLayers, dModel, contextLength } = config;
  return 6 * batchSize * contextLength * (parameterCount(config) + nLayers * contextLength * dModel);
}
