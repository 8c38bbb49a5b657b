// Measure: one cell of the curve, and what a training is going to need.

import { chosenBackend, createEngine } from "../backends.js";
import { drawBatch, memorizationWarning } from "../corpus.js";
import { TRAINING } from "../engine.js";
import { createNormal, createRandom } from "../generate.js";
import { heapSize, parameterCount } from "../layout.js";

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
  const group = kind === "webgpu" ? TOGETHER : 1;
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

/** Estimate a training: memory, seconds a step, and the memorization warning. */
export async function estimate({ config, batchSize, nBytes }) {
  const bytes = 4 * (heapSize(config, batchSize) + heapSize(config)); // to train, and to write samples
  const secondsPerStep = workOfStep(config, batchSize) / (await workPerSecond());
  return { bytes, secondsPerStep, warning: memorizationWarning(nBytes, config) };
}

let measuredWork = 0;

// Shapes to measure with: batch, config. A graphics card is faster the more there is to do at once.
const PROBE = [16, { nLayers: 2, dModel: 48, nHeads: 3, contextLength: 32, eps: 1e-5 }];
const PROBES = { webgpu: [8, { nLayers: 2, dModel: 128, nHeads: 4, contextLength: 64, eps: 1e-5 }] };

// Floating-point operations per second, from a few steps of a small model.
async function workPerSecond() {
  if (measuredWork) return measuredWork;
  const [batchSize, config] = PROBES[chosenBackend()] ?? PROBE;
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
