// Models from files and into files: checkpoints that Python opens too, snapshots of a training, and the browser's storage.

import { checkWeights, readConfig, readTensors, writeConfig, writeTensors } from "../safetensors.js";
import { namedTensors, readSnapshot, writeSnapshot } from "../snapshot.js";
import { deleteTraining, savedTraining, savedTrainings, saveTraining } from "../storage.js";
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

/** Keep the model in training in the browser's storage; returns in words whether that worked. */
export async function keepModel() {
  const model = currentModel();
  try {
    const file = new Blob([await writeSnapshot(model)]);
    const { kept, dropped } = await saveTraining({ kept: model.kept, model: describe(), file });
    model.kept = kept;
    model.dropped.push(...dropped);
    const instead = model.dropped.map(({ about }) => ` in place of the oldest there, ${about}`);
    return `saved in this browser${instead.join(" and")}`;
  } catch (error) {
    return `not saved in this browser: ${error?.message ?? error}`;
  }
}

/** Delete what the browser's storage has of a model that is not to be seen again. */
export async function forgetModel({ kept }) {
  if (kept) await deleteTraining(kept.id);
}

/** The trainings in the browser's storage, the newest first: when each was saved, and what the page shows of it. */
export const listKept = async () => ({
  kept: (await savedTrainings()).map(({ id, savedAt, model }) => ({ ...model, kept: id, savedAt })),
});

/** Load a kept training; one that cannot be read is deleted. */
export async function restore({ kept }) {
  const record = await savedTraining(kept);
  if (!record) throw new Error("This training is no longer kept in this browser.");
  try {
    setModel(fixedModel({ ...readSnapshot(await record.file.arrayBuffer()), kept: record }));
  } catch (error) {
    await deleteTraining(kept);
    const words = "A training kept in this browser could not be read and was deleted";
    throw new Error(`${words}: ${error.message}`, { cause: error });
  }
  return { model: describe() };
}

/** Delete the model in view from the browser's storage. */
export async function deleteKept() {
  const model = requireModel();
  await forgetModel(model);
  model.kept = null;
  return { model: describe() };
}
