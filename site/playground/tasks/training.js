// Train: a new model, one that was loaded, or a training that goes on from a snapshot, to the bit.
//
// The batch of a step depends on the seed and the step, its learning rate on the settings and the step, so 10 steps, a
// snapshot and 10 more give the same weights as 20.

import { createEngine } from "../backends.js";
import { newCurve } from "../curve.js";
import { drawBatch, evaluate, evaluationBatches, partsOf } from "../corpus.js";
import { TRAINING } from "../engine/weights.js";
import { createNormal, createRandom } from "../generate.js";
import { learningRateAt } from "../schedule.js";
import { readSnapshot } from "../snapshot.js";
import { BYTES } from "../tokenizer.js";
import { TOYS } from "../toys.js";
import { forgetModel, keepModel } from "./checkpoints.js";
import { currentModel, describe, fixedModel, modelInTraining, requireModel, setModel, settled } from "./model.js";
import { Progress } from "./progress.js";

const SAVE_MS = 3_000; // at least, between saves of a running training in the browser's storage, and
const SAVE_FACTOR = 30; // at least this many times the duration of the last one
const EVALUATIONS = 20; // of a training, unless the page asks for another number
const QUESTIONS = 32; // of a toy task, at an evaluation

// An engine that goes on with a model's weights and, if it has them, its moments.
async function engineOf(model, batchSize) {
  const engine = await createEngine(model.config, batchSize);
  const snapshot = await model.snapshot();
  if (snapshot.moments) await engine.restore(snapshot);
  else await engine.load(snapshot.weights);
  return engine;
}

// The engine of a training, its run (snapshot.js), and the model's name, tokens and record in the browser's storage.
async function begin({ continueFrom, from, config, batchSize, seed, about, text, toy = "", corpus, ladder, ...rest }) {
  if (continueFrom) {
    const model = continueFrom === "model" ? requireModel() : fixedModel(readSnapshot(continueFrom));
    if (!model.run) throw new Error("This model was not trained here, so no training goes on: start one from it.");
    const { about: name, tokenizer, kept } = model;
    const run = { ...model.run, curve: structuredClone(model.run.curve ?? newCurve()) };
    return { engine: await engineOf(model, run.batchSize), run, about: name, tokenizer, kept };
  }
  const { learningRate, warmupSteps = 0, decaySteps = 0, decayTo = 0 } = rest;
  const settings = { ...TRAINING, learningRate, warmupSteps, decaySteps, decayTo };
  const run = { seed, batchSize, corpus, toy, settings, ladder, text: toy ? new Uint8Array() : text };
  Object.assign(run, { curve: newCurve(), score: null, milliseconds: 0 });
  const tokenizer = from === "loaded" ? requireModel().tokenizer : BYTES;
  partsOf(run, config.contextLength, tokenizer); // refuses a text that is too short before memory is asked for
  if (from === "loaded") return { engine: await engineOf(requireModel(), batchSize), run, about, tokenizer };
  const engine = await createEngine(config, batchSize);
  await engine.initialise(createNormal(createRandom(seed)));
  return { engine, run, about, tokenizer };
}

/** Train for some steps, and keep the model in the browser's storage. */
export async function train(message, task) {
  const { engine, run, about, tokenizer, kept = null } = await begin(message);
  const before = currentModel();
  setModel(modelInTraining(engine, about, tokenizer, run, kept));
  try {
    const done = await takeSteps(engine, run, message, task);
    const storage = await keepModel();
    setModel(await settled(currentModel()));
    return { model: describe(), storage, stopped: done < message.steps, done };
  } catch (error) {
    if (!kept) await forgetModel(currentModel());
    setModel(before);
    throw error;
  } finally {
    await engine.destroy();
  }
}

async function takeSteps(engine, run, { steps, prompt, evaluateEvery = Math.ceil(steps / EVALUATIONS) }, task) {
  const { batchSize, seed, settings } = run;
  const { contextLength } = engine.config;
  const { train: tokens, heldOut, stride, perByte } = partsOf(run, contextLength, currentModel().tokenizer);
  const questions = run.toy ? TOYS[run.toy].questions(heldOut, QUESTIONS) : [];
  const progress = new Progress(task, engine, run, { steps, prompt, questions });
  const evaluation = evaluationBatches(heldOut, batchSize, contextLength, stride);
  const reportWithHeldOut = async () => progress.report((await evaluate(engine, evaluation)) * perByte);
  const batchOf = (step) => ({
    ...drawBatch(tokens, batchSize, contextLength, seed, step, stride),
    settings: { ...settings, learningRate: learningRateAt(settings, step) },
  });
  let nextSave = 0;
  const save = async () => {
    const begun = performance.now();
    task.keep = false;
    run.milliseconds = progress.milliseconds;
    await keepModel();
    nextSave = performance.now() + Math.max(SAVE_MS, SAVE_FACTOR * (performance.now() - begun));
  };
  const pause = async () => {
    await progress.report();
    const begun = performance.now();
    await save();
    await task.whilePaused();
    progress.leaveOut(performance.now() - begun);
  };

  await reportWithHeldOut();
  await save();
  while (progress.done < steps && !task.stopped) {
    const untilEvaluation = evaluateEvery - (progress.done % evaluateEvery);
    const n = Math.min(engine.stepsAtOnce, untilEvaluation, steps - progress.done);
    const batches = Array.from({ length: n }, (_, i) => batchOf(engine.updates + i));
    const begun = performance.now();
    const results = await engine.trainSteps(batches);
    requireFinite(results, engine, settings);
    const losses = results.map(({ loss }) => loss * perByte);
    progress.note(losses, performance.now() - begun);
    if (progress.done === steps || progress.done % evaluateEvery === 0) await reportWithHeldOut();
    else await progress.reportIfDue();
    if (progress.done < steps && (task.keep || performance.now() >= nextSave)) await save();
    await task.turn();
    await task.others();
    if (task.paused) await pause();
  }
  run.milliseconds = progress.milliseconds;
  if (progress.unreported) await progress.report();
  return progress.done;
}

function requireFinite(results, engine, { learningRate }) {
  if (results.every(({ loss, gradNorm }) => Number.isFinite(loss) && Number.isFinite(gradNorm))) return;
  const words = `with learning rate ${learningRate}. Try a smaller one.`;
  throw new Error(`Training diverged at step ${engine.updates + 1} ${words}`);
}
