// Measure: one cell of the curve, and what a training is going to need.

import { createEngine } from "../backends.js";
import { drawBatch, memorizationWarning } from "../corpus.js";
import { TRAINING } from "../engine.js";
import { createNormal, createRandom } from "../generate.js";
import { heapSize, parameterCount } from "../layout.js";

/** Warm-up and measured steps of one preset with one backend, from the same weights. */
export async function measure({ kind, config, batchSize, text, seed, warmupSteps, measuredSteps }, task) {
  const begun = performance.now();
  const engine = await createEngine(config, batchSize, kind);
  await engine.initialise(createNormal(createRandom(seed)));
  const setupSeconds = (performance.now() - begun) / 1000;
  const steps = [];
  const start = performance.now();
  for (let step = 0; step < warmupSteps + measuredSteps; step++) {
    const batch = drawBatch(text, batchSize, config.contextLength, seed, step);
    const before = performance.now();
    const [{ loss, gradNorm }] = await engine.trainSteps([{ ...batch, settings: TRAINING }]);
    const after = performance.now();
    steps.push({
      step: step + 1,
      isWarmup: step < warmupSteps,
      seconds: (after - before) / 1000,
      loss,
      gradNorm,
      elapsedSeconds: (after - start) / 1000,
    });
    task.post({ done: step + 1, of: warmupSteps + measuredSteps });
    await task.turn();
    if (task.stopped) break;
  }
  return {
    steps,
    setupSeconds,
    wallSeconds: (performance.now() - begun) / 1000,
    bytes: engine.bytes,
    stopped: task.stopped,
  };
}

/** Estimate a training: memory, seconds a step, and the memorization warning. */
export async function estimate({ config, batchSize, nBytes }) {
  const bytes = 4 * (heapSize(config, batchSize) + heapSize(config)); // to train, and to write samples
  const rows = batchSize * config.contextLength;
  const work = 6 * rows * (parameterCount(config) + config.nLayers * config.contextLength * config.dModel);
  const secondsPerStep = work / (await workPerSecond());
  return { bytes, secondsPerStep, warning: memorizationWarning(nBytes, config) };
}

let measuredWork = 0;

// Floating-point operations per second, from a few steps of a small model.
async function workPerSecond() {
  if (measuredWork) return measuredWork;
  const config = { nLayers: 2, dModel: 48, nHeads: 3, contextLength: 32, eps: 1e-5 };
  const engine = await createEngine(config, 16);
  await engine.initialise(createNormal(createRandom(0)));
  const tokens = new Uint8Array(16 * 32);
  const times = [];
  for (let i = 0; i < 6; i++) {
    const begun = performance.now();
    await engine.trainSteps([{ inputs: tokens, targets: tokens, settings: TRAINING }]);
    times.push(performance.now() - begun);
  }
  const work = 6 * 512 * (parameterCount(config) + 2 * 32 * 48);
  measuredWork = work / (Math.min(...times) / 1000);
  return measuredWork;
}
