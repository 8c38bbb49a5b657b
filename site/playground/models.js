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
  const files = [entry.config, entry.weights, entry.tokenizer].filter(Boolean);
  const answers = await Promise.all(files.map((file) => fetch(app.url(file))));
  if (!answers.every(({ ok }) => ok)) throw new Error(`The model ${entry.title} could not be loaded.`);
  const [config, weights, tokenizer] = answers;
  return open(app, await config.text(), await weights.arrayBuffer(), (await tokenizer?.text()) ?? null, entry.name);
}

const CHOOSE =
  "Choose the files of one checkpoint together: config.json, model.safetensors, and tokenizer.json unless its tokens " +
  "are bytes; or the one file of a whole training.";

/** Open a checkpoint from disk, or a training that was downloaded here. */
export async function openFiles(app, files) {
  const tokenizer = files.find(({ name }) => name === "tokenizer.json");
  const config = files.find((file) => file.name.endsWith(".json") && file !== tokenizer);
  const weights = files.find(({ name }) => name.endsWith(".safetensors"));
  if (!weights || files.length !== (config ? (tokenizer ? 3 : 2) : 1)) throw new Error(CHOOSE);
  if (weights.size > LARGEST_FILE || config?.size > 1e6 || tokenizer?.size > 1e7) {
    throw new Error("These files are too large for a browser tab.");
  }
  const buffer = await weights.arrayBuffer().catch(() => {
    throw new Error(`${weights.name} could not be read into memory.`);
  });
  if (config) return open(app, await config.text(), buffer, (await tokenizer?.text()) ?? null, "Your checkpoint");
  return app.client.call("openSnapshot", { buffer }, { transfer: [buffer] }).catch(() => {
    throw new Error(CHOOSE);
  });
}

const open = (app, configText, buffer, tokenizerText, about) =>
  app.client.call("open", { configText, buffer, tokenizerText, about }, { transfer: [buffer] });
