// Where models come from: the site's gallery, or two files from the reader's disk. The worker checks what is in them.

const LARGEST_FILE = 1.5e9; // bytes; larger than any tab can hold twice

/** Open a gallery model, an entry of index.json's `models`. */
export async function openGallery(app, entry) {
  const [config, weights] = await Promise.all([fetch(app.url(entry.config)), fetch(app.url(entry.weights))]);
  if (!config.ok || !weights.ok) throw new Error(`The model ${entry.title} could not be loaded.`);
  const buffer = await weights.arrayBuffer();
  return app.client.call(
    "open",
    { configText: await config.text(), buffer, about: entry.name },
    { transfer: [buffer] },
  );
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
  const message = { configText: await config.text(), buffer, about: "Your checkpoint" };
  return app.client.call("open", message, { transfer: [buffer] });
}
