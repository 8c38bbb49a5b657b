// The playground page: fills its parts, starts the worker, and ends both when the reader leaves.
//
// Each part is a module that fills one element: `data-playground="train"` and so on; a page may have some of them only.
// Parts share an `app`: the worker, the site's index (index.json), the model in view, the reader's words, the state in
// the address, the controls that start tasks, and what the parts tell each other. A part may return a function to call
// on a first visit, if the gallery's first model may be loaded.

import { Client } from "./client.js";
import { el } from "./dom.js";
import { measurePart } from "./part-measure.js";
import { openGallery } from "./models.js";
import { showFailures } from "./report.js";
import { Address } from "./view/address.js";
import { comparePart } from "./view/compare.js";
import { showComputing } from "./view/computing.js";
import { gradientsPart } from "./view/gradients.js";
import { guidePart } from "./view/guide.js";
import { insidePart } from "./view/inside.js";
import { lossPart } from "./view/loss.js";
import { textPart } from "./view/text.js";
import { trainPart } from "./view/train.js";
import { Words, wordsPart } from "./view/words.js";

const PARTS = {
  guide: guidePart,
  train: trainPart,
  loss: lossPart,
  text: textPart,
  words: wordsPart,
  inside: insidePart,
  gradients: gradientsPart,
  compare: comparePart,
  measure: measurePart,
};

const UNASKED_BYTES = 4_000_000; // largest model to load without a click

class App {
  constructor(index, client, started, root, line) {
    this.index = index;
    this.root = root; // holds the parts
    this.line = line; // the element above them
    this.client = client;
    this.kernels = started.kernels; // name of the backend that computes
    this.backends = started.backends; // that can be measured
    this.card = started.card; // name of the graphics card
    this.missing = started.missing; // words on what it lacks
    this.model = null; // in view: opened, trained, or in training
    this.kept = []; // trainings in this browser's storage, the newest first
    this.describes = () => true; // whether one of them is what the address asks for
    this.offered = index.models[0] ?? null; // gallery model to load if a part needs a model
    this._listeners = new Map(); // topic → functions
    this._starters = [];
    this._running = []; // true for each running task that others may come between
    this._ends = [];
    this.address = new Address(location.search);
    this.words = new Words(this.offered?.prompt ?? "Once upon a time", (byReader) => {
      this.tell("words");
      if (byReader) this.tell("typed");
    });
    const given = this.words.text;
    this.address.bind("prompt", this.words.control, () => this.words.mine);
    this.words.mine = this.words.text !== given;
  }

  url(path) {
    return new URL(path, import.meta.url);
  }

  // ---- what parts tell each other ----------------------------------------------------------------------------------
  //
  // "model": another one is in view; "words": the line or its cursor changed, and "typed": by the reader; "run", "news",
  // "end": of a training; "read": what its curve says now; "lost": the words are longer than the context; "rival": a loss
  // to compare with; "try": settings of the guide; "computing": another backend computes

  on(topic, listener) {
    this._listeners.set(topic, [...(this._listeners.get(topic) ?? []), listener]);
  }

  tell(topic, news) {
    for (const listener of this._listeners.get(topic) ?? []) listener(news);
  }

  setModel(model) {
    this.model = model;
    this.root.toggleAttribute("data-training", Boolean(model?.training));
    this.tell("model", model);
  }

  onModel(listener) {
    this.on("model", listener);
    listener(this.model);
  }

  /** Load the gallery's model unless there is a model; `status` shows it. */
  async needModel(status) {
    if (this.model || !this.offered) return;
    status.textContent = `Loading ${this.offered.title}…`;
    this._loading ??= openGallery(this, this.offered).finally(() => (this._loading = null));
    const { model } = await this._loading;
    if (!this.model) this.setModel(model);
    status.textContent = "";
  }

  /** Read which trainings the browser keeps; returns in words why it keeps none for this page, or nothing. */
  async readKept() {
    try {
      this.kept = (await this.client.call("kept")).kept;
      return "";
    } catch ({ message }) {
      this.kept = [];
      return `This browser keeps no training for this page (${message}).`;
    }
  }

  // ---- tasks -------------------------------------------------------------------------------------------------------

  /** Register a control that starts a task: disabled while one runs, or working `between` a long one's steps. */
  starter(control, { between = false } = {}) {
    this._starters.push({ control, between });
    return control;
  }

  /** Run a task, `long` if others may come between its steps; returns its result, or null after showing its error. */
  async work(status, task, long = false) {
    const focused = document.activeElement; // disabling a control takes its focus
    this._setRunning([...this._running, long]);
    status.classList.remove("tgp-bad");
    try {
      return await task();
    } catch (error) {
      status.classList.add("tgp-bad");
      status.textContent = error.message;
      return null;
    } finally {
      this._setRunning(this._running.toSpliced(this._running.indexOf(long), 1));
      if (document.activeElement === document.body) focused?.focus({ preventScroll: true });
    }
  }

  _setRunning(running) {
    this._running = running;
    for (const { control, between } of this._starters) control.disabled = running.some((long) => !(long && between));
  }

  // ---- leaving -----------------------------------------------------------------------------------------------------

  /** Register what ends with the page. */
  onEnd(end) {
    this._ends.push(end);
  }

  end() {
    for (const end of this._ends) end();
  }
}

async function fetchIndex() {
  const response = await fetch(new URL("./index.json", import.meta.url));
  if (!response.ok) throw new Error(`The playground's index could not be loaded (${response.status}).`);
  return response.json();
}

// Bring the newest training that this browser keeps of the address's experiment into view; returns what a reader should
// know of those that are kept, or nothing.
async function restore(app) {
  const refusal = await app.readKept();
  if (refusal) return refusal;
  const found = app.kept.find((model) => app.describes(model));
  if (!found) app.setModel(null); // the menu of models has the others
  if (!found) return app.kept.length ? "Other trainings are kept in this browser: choose one under Model." : "";
  try {
    app.setModel((await app.client.call("restore", { kept: found.kept })).model);
    return "";
  } catch ({ message }) {
    return message;
  }
}

/**
 * Start the page.
 *
 * @param {HTMLElement} root holds the parts' elements
 * @param {string} complaint on the page's address, to begin with
 * @returns {() => void} ends the worker, observers and timers
 */
export function mount(root, complaint = "") {
  let app = null;
  let left = false;
  const notice = el("p", { class: "tgp-notice", role: "status" }, complaint);
  const add = (words) => words && (notice.textContent = `${notice.textContent} ${words}`.trim());
  const line = root.querySelector("[data-playground=status]");
  line.replaceChildren(notice);
  if (!document.querySelector("link[data-playground-style]")) {
    const href = new URL("./playground.css", import.meta.url).href;
    document.head.append(el("link", { rel: "stylesheet", href, "data-playground-style": true }));
  }
  const client = new Client(new URL("./worker.js", import.meta.url));
  const begin = async () => {
    const only = new URLSearchParams(location.search).get("kernels");
    const [index, started] = await Promise.all([fetchIndex(), client.call("start", { only })]);
    if (left) return;
    app = new App(index, client, started, root, line);
    const computes = (kernels) => {
      app.kernels = kernels;
      app.tell("computing");
    };
    app.on("run", () => computes(started.kernels));
    showFailures(client, started, notice, () => computes("wasm"));
    root.dataset.kernels = started.kernels;
    showComputing(app);
    const onFirstVisit = Object.entries(PARTS).map(([name, part]) => {
      const place = root.querySelector(`[data-playground=${name}]`);
      return place && part(place, app);
    });
    add(app.address.complaint());
    add(await restore(app));
    if (left) return;
    root.dataset.ready = "true";
    const unasked = app.offered?.bytes <= UNASKED_BYTES && navigator.connection?.saveData !== true;
    if (!app.model && unasked) for (const act of onFirstVisit) act?.();
  };
  begin().catch((error) => {
    notice.classList.add("tgp-bad");
    notice.textContent = error.message;
  });
  return () => {
    left = true;
    client.close();
    app?.end();
  };
}
