// Runs a script with the playground's modules in Node, where its worker is a thread: quicker than a page in a browser.
//
//   node in_node.mjs < {"sources": URL of the modules, "script": "async (modules, argument) => …", "argument": …}
//
// Prints what the script returns, as JSON. `modules.client()` opens a worker of its own behind the page's client.

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { isMainThread, parentPort, Worker as Thread, workerData } from "node:worker_threads";

const MODULES = [
  "engine/reader", "engine/trainer", "generate", "kernels-js", "kernels-wasm", "safetensors", "snapshot", "schedule",
  "corpus", "curve", "toys", "layout", "client", "tokenizer", "tasks/progress", "tasks/task", "view/reading",
];

globalThis.fetch = async (url) => new Response(await readFile(url)); // Node's own reads no files

class PageWorker {
  constructor(url) {
    this._thread = new Thread(new URL(import.meta.url), { workerData: String(url) });
    this._thread.on("message", (data) => this.onmessage({ data }));
    this._thread.on("error", ({ message }) => this.onerror({ message, preventDefault() {} }));
  }

  postMessage(message, transfer) {
    this._thread.postMessage(message, transfer);
  }

  terminate() {
    this._thread.terminate();
  }
}

async function run({ sources, script, argument }) {
  const modules = Object.assign({}, ...(await Promise.all(MODULES.map((name) => import(`${sources}${name}.js`)))));
  modules.kernels = { plain: modules.createKernels, simd: await modules.loadKernels(new URL(`${sources}kernels.wasm`)) };
  globalThis.Worker = PageWorker;
  modules.client = () => new modules.Client(new URL(`${sources}worker.js`));
  return (0, eval)(script)(modules, argument);
}

if (isMainThread) {
  const answer = await run(JSON.parse(await text(process.stdin)));
  process.stdout.write(JSON.stringify(answer ?? null), () => process.exit(0)); // ends its threads, too
} else {
  globalThis.self = { postMessage: (message, transfer) => parentPort.postMessage(message, transfer) };
  await import(workerData);
  parentPort.on("message", (data) => globalThis.self.onmessage({ data }));
}
