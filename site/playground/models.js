// Models and texts from the site, and checkpoints from the reader's disk. The worker checks the files.

const LARGEST_FILE = 1.5e9; // bytes; no tab can hold a larger one twice

/** The bytes of a text, an entry of index.json's `corpora`. */
export async function fetchText(app, { file, title }) {
  const response = await fetch(app.url(file));
  if (!response.ok) throw new Error(`The text ${title} could not be loaded.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Open a gallery model, an entry of index.json's `models`. */
export async function openGallery(app, entry) {
  const [config, weights] = await Promise.all([fetch(app.url(entry.config)), fetch(app.url(entry.weights))]);
  if (!config.ok || !weights.ok) throw new Error(`The model ${entry.title} could not be loaded.`);
  return open(app, await config.text(), await weights.arrayBuffer(), entry.name);
}

/** Open a checkpoint from disk. */
export async function openFiles(app, files) {
  const config = files.find(({ name }) => name.endsWith(".json"));
  const weights = files.find(({ name }) => name.endsWith(".safetensors"));
  if (!config || !weights || files.length !== 2) {
    throw new Error("Choose two files together: config.json and model.safetensors of one checkpoint.");
  }
  if (weights.size > LARGEST_FILE || config.size > 1e6) throw new Error("These files are too large for a browser tab.");
  const buffer = await weights.arrayBuffer().catch(() => {
    throw new Error(`${weights.name} could not be read into memory.`);
  });
  return open(app, await config.text(), buffer, "Your checkpoint");
}

const open = (app, configText, buffer, about) =>
  app.client.call("open", { configText, buffer, about }, { transfer: [buffer] });
