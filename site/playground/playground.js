// The playground page: finds its places in the page, starts the worker, and takes both down when the page is left.
//
// Each part of the page is a module that fills one place: `data-playground="generate"` and so on. Parts share an
// `app`: the worker, what the site ships (index.json), the present model, and who is at work.

import { Client } from "./client.js";
import { el } from "./dom.js";
import { generatePart } from "./part-generate.js";
import { trainPart } from "./part-train.js";
import { measurePart } from "./part-measure.js";
import { insidePart } from "./part-inside.js";
import { showPressure } from "./pressure.js";

const PARTS = { generate: generatePart, train: trainPart, measure: measurePart, inside: insidePart };

class App {
  constructor(index) {
    this.index = index;
    this.client = new Client(new URL("./worker.js", import.meta.url));
    this.kernels = "js";
    this.model = null;
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

  /** Buttons that start a task of the worker: none can be pressed while one runs. */
  starter(button) {
    this._starters.push(button);
    return button;
  }

  /** Run a task, its failure told in `status`; returns its result, or null. */
  async work(status, task) {
    for (const button of this._starters) button.disabled = true;
    status.classList.remove("tgp-bad");
    try {
      return await task();
    } catch (error) {
      status.classList.add("tgp-bad");
      status.textContent = error.message;
      return null;
    } finally {
      for (const button of this._starters) button.disabled = false;
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
    for (const [name, part] of Object.entries(PARTS)) part(root.querySelector(`[data-playground=${name}]`), app);
    try {
      const { model } = await app.client.call("restore");
      if (model) app.setModel(model);
    } catch (error) {
      notice.textContent =
        `${notice.textContent} The model kept in this browser could not be read (${error.message}).`.trim();
    }
    root.dataset.ready = "true";
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
