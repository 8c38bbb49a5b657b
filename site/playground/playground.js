// The playground page: fills its parts, starts the worker, and ends both when the reader leaves.
//
// Each part is a module that fills one element: `data-playground="generate"` and so on. Parts share an `app`: the
// worker, the site's index (index.json), the current model, and the controls that start tasks. A part may return a
// function to call on a first visit.

import { Client } from "./client.js";
import { el } from "./dom.js";
import { generatePart } from "./part-generate.js";
import { trainPart } from "./part-train.js";
import { measurePart } from "./part-measure.js";
import { insidePart } from "./part-inside.js";
import { openGallery } from "./models.js";
import { showPressure } from "./pressure.js";
import { showFailures } from "./report.js";

const PARTS = { generate: generatePart, train: trainPart, measure: measurePart, inside: insidePart };

class App {
  constructor(index) {
    this.index = index;
    this.client = new Client(new URL("./worker.js", import.meta.url));
    this.kernels = "js";
    this.backends = ["js"]; // that can be measured
    this.card = null; // name of the graphics card
    this.model = null;
    this.kept = null; // name of the model in this browser's storage
    this.offered = index.models[0] ?? null; // gallery model to load if a part needs a model
    this._modelListeners = [];
    this._starters = [];
  }

  url(path) {
    return new URL(path, import.meta.url);
  }

  setModel(model) {
    this.model = model;
    if (model?.kept) this.kept = model.about;
    for (const listener of this._modelListeners) listener(model);
  }

  onModel(listener) {
    this._modelListeners.push(listener);
    listener(this.model);
  }

  /** Load the gallery's model unless there is a model; `status` shows it. */
  async needModel(status) {
    if (this.model || !this.offered) return;
    status.textContent = `Loading ${this.offered.title}…`;
    this.setModel((await openGallery(this, this.offered)).model);
    status.textContent = "";
  }

  /** Register a control that starts a task: it is disabled while a task runs. */
  starter(control) {
    this._starters.push(control);
    return control;
  }

  /** Run a task; returns its result, or null after showing its error in `status`. */
  async work(status, task) {
    const focused = document.activeElement; // disabling a control takes its focus
    for (const control of this._starters) control.disabled = true;
    status.classList.remove("tgp-bad");
    try {
      return await task();
    } catch (error) {
      status.classList.add("tgp-bad");
      status.textContent = error.message;
      return null;
    } finally {
      for (const control of this._starters) control.disabled = false;
      if (document.activeElement === document.body) focused?.focus({ preventScroll: true });
    }
  }
}

/**
 * Start the page.
 *
 * @param {HTMLElement} root holds the parts' elements
 * @returns {() => void} ends the worker, observers and timers
 */
export function mount(root) {
  const ends = [];
  let left = false;
  const notice = el("p", { class: "tgp-notice", role: "status" });
  root.querySelector("[data-playground=status]").replaceChildren(notice);
  if (!document.querySelector("link[data-playground-style]")) {
    const href = new URL("./playground.css", import.meta.url).href;
    document.head.append(el("link", { rel: "stylesheet", href, "data-playground-style": true }));
  }
  const begin = async () => {
    const response = await fetch(new URL("./index.json", import.meta.url));
    if (!response.ok) throw new Error(`The playground's index could not be loaded (${response.status}).`);
    const index = await response.json();
    if (left) return;
    const app = new App(index);
    ends.push(() => app.client.close());
    const only = new URLSearchParams(location.search).get("kernels");
    const started = await app.client.call("start", { only });
    if (left) return;
    Object.assign(app, { kernels: started.kernels, backends: started.backends, card: started.card });
    showFailures(app.client, started, notice);
    root.dataset.kernels = started.kernels;
    ends.push(showPressure(root.querySelector("[data-playground=status]")));
    const onFirstVisit = Object.entries(PARTS).map(([name, part]) =>
      part(root.querySelector(`[data-playground=${name}]`), app),
    );
    try {
      const { model, dropped } = await app.client.call("restore");
      if (left) return;
      if (model) app.setModel(model);
      if (dropped) notice.textContent = `${notice.textContent} ${dropped}`.trim();
    } catch (error) {
      notice.textContent =
        `${notice.textContent} The model saved in this browser could not be read (${error.message}).`.trim();
    }
    root.dataset.ready = "true";
    if (!app.model) for (const act of onFirstVisit) act?.();
  };
  begin().catch((error) => {
    notice.classList.add("tgp-bad");
    notice.textContent = error.message;
  });
  return () => {
    left = true;
    for (const end of ends) end();
  };
}
