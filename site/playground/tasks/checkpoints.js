// Models from files and into files: checkpoints that Python opens too, snapshots of a training, and the browser's storage.

import { checkWeights, readConfig, readTensors, writeConfig, writeTensors } from "../safetensors.js";
import { namedTensors, readSnapshot, writeSnapshot } from "../snapshot.js";
import { deleteModel, savedModel, saveModel } from "../storage.js";
import { readTokenizer } from "../tokenizer.js";
import { currentModel, describe, fixedModel, requireModel, setModel } from "./model.js";

/** Open a checkpoint from its files; the text of tokenizer.json is null where tokens are bytes. */
export function openCheckpoint({ configText, buffer, tokenizerText = null, about }) {
  const config = readConfig(configText);
  const tokenizer = readTokenizer(tokenizerText, config.vocabSize);
  setModel(fixedModel({ config, about, tokenizer, weights: checkWeights(config, readTensors(buffer)) }));
  return { model: describe() };
}

/** Open the one file of a training, which goes on from there. */
export function openSnapshot({ buffer }) {
  setModel(fixedModel(readSnapshot(buffer)));
  return { model: describe() };
}

/** The files of a checkpoint; `tokenizer` is null where tokens are bytes. */
export async function exportCheckpoint() {
  const { config, tokenizer, weights } = requireModel("There is no model to download yet.");
  return {
    weights: writeTensors(namedTensors(config, await weights()), { format: "pt" }),
    config: `${JSON.stringify(writeConfig(config), null, 2)}\n`,
    tokenizer: tokenizer.text,
  };
}

/** One file with which the model's training goes on to the bit. */
export async function takeSnapshot() {
  const model = requireModel();
  if (!model.run) throw new Error("This model was not trained here. A checkpoint holds all of it: download that.");
  return { file: await writeSnapshot(model), step: model.updates };
}

/** Keep the model in the browser's storage; returns in words whether that worked. */
export async function keepModel() {
  const model = currentModel();
  model.kept = false;
  try {
    await saveModel(await writeSnapshot(model));
    model.kept = true;
    return "saved in this browser";
  } catch (error) {
    return `not saved in this browser: ${error?.message ?? error}`;
  }
}

/** Load the kept model; one that cannot be read is deleted, and `dropped` says why. */
export async function restore() {
  const file = await savedModel();
  if (file === undefined) return { model: null };
  try {
    setModel(fixedModel({ ...readSnapshot(file), kept: true }));
    return { model: describe() };
  } catch (error) {
    await deleteModel();
    return { model: null, dropped: `The model kept in this browser could not be read and was deleted: ${error.message}` };
  }
}

/** Delete the kept model. */
export async function deleteKept() {
  await deleteModel();
  const model = currentModel();
  if (model) model.kept = false;
  return { model: describe() };
}
