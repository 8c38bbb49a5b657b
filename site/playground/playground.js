// The playground page: finds its places in the page, starts the worker, and takes both down when the page is left.
//
// Each part of the page is a module that fills one place: `data-playground="generate"` and so on. Parts share an
// `app`: the worker, what the site ships (index.json), the present model, and who is at work. A part may return what it
// does unasked on a first visit.

import { Client } from "./client.js";
import { el } from "./dom.js";
import { generatePart } from "./part-generate.js";
import { trainPart } from "./part-train.js";
import { measurePart } from "./part-measure.js";
import { insidePart } from "./part-inside.js";
import { openGallery } from "./models.js";
import { showPressure } from "./pressure.js";

const PARTS = { generate: generatePart, train: trainPart, measure: measurePart, inside: insidePart };

class App {
  constructor(index) {
    this.index = index;
    this.client = new Client(new URL("./worker.js", import.meta.url));
    this.kernels = "js";
    this.model = null;
    this.offered = index.models[0] ?? null; // the gallery's model that is loaded when one is needed
    this._modelListeners = [];
    this._starters = [];
  }

  url(path) {
    return new URL(path, import.meta.url);
  }

  setModel(model) {
    this.model = model;
    for (const listener of this._modelListeners) listener(model);
  }

  onModel(listener) {
    this._modelListeners.push(listener);
    listener(this.model);
  }

  /** Load the gallery's model unless there is a model already, telling so in `status`. */
  async needModel(status) {
    if (this.model || !this.offered) return;
    status.textContent = `Loading ${this.offered.title}…`;
    this.setModel((await openGallery(this, this.offered)).model);
    status.textContent = "";
  }

  /** Controls that start a task of the worker: none can be used while one runs. */
  starter(control) {
    this._starters.push(control);
    return control;
  }

  /** Run a task, with its failure shown in `status`; returns its result, or null. */
  async work(status, task) {
    const focused = document.activeElement; // a control that is disabled loses the keyboard
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
 * Bring a page to life.
 *
 * @param {HTMLElement} root holds the places
 * @returns {() => void} ends everything: the worker, observers and timers
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
    app.kernels = started.kernels;
    notice.textContent = started.notice;
    root.dataset.kernels = started.kernels;
    ends.push(showPressure(root.querySelector("[data-playground=status]")));
    const greetings = Object.entries(PARTS).map(([name, part]) =>
      part(root.querySelector(`[data-playground=${name}]`), app),
    );
    try {
      const { model } = await app.client.call("restore");
      if (left) return;
      if (model) app.setModel(model);
    } catch (error) {
      notice.textContent =
        `${notice.textContent} The model kept in this browser could not be read (${error.message}).`.trim();
    }
    root.dataset.ready = "true";
    if (!app.model) for (const greet of greetings) greet?.();
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
