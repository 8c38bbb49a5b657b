// What computes in this tab, and the load of the processor, as chips above the view.
//
// Chromium reports the load through the Compute Pressure API. Other browsers get an estimate from the lag of a timer,
// and the chip says so.

import { el } from "../dom.js";

/** Name of a backend (../backends.js) → what a reader calls it. */
export const BACKENDS = {
  js: "plain JavaScript",
  wasm: "WebAssembly",
  webgpu: "WebGPU",
  "webgpu-f16": "WebGPU, 16-bit products",
};

const LOADS = {
  nominal: ["calm", 1],
  fair: ["working", 2],
  serious: ["busy", 3],
  critical: ["fully used", 4],
};
const NORMAL = "A training keeps the processor busy; that is as it should be.";

const TICK_MS = 250;
const LAG_LIMITS = [
  [8, "nominal"],
  [30, "fair"],
  [100, "serious"],
];

/** Add the chips to the page's line; they end with the page. */
export function showComputing(app) {
  const name = el("span", { class: "tgp-chip" });
  const load = el("span", { class: "tgp-chip tgp-pressure", role: "status", title: NORMAL }, "Processor: …");
  const showName = () => {
    const card = app.kernels.startsWith("webgpu") && app.card ? ` on ${app.card}` : "";
    name.textContent = `Computed by ${BACKENDS[app.kernels]}${card}`;
  };
  showName();
  app.on("computing", showName);
  app.line.append(name, " ", load);

  const show = (state, source) => {
    const [word, level] = LOADS[state];
    if (load.dataset.level === String(level) && load.dataset.source === source) return;
    load.dataset.level = level;
    load.dataset.source = source;
    load.textContent = `Processor: ${word}${source === "estimate" ? " (estimate)" : ""}`;
  };

  let timer = 0;
  const estimate = () => {
    let expected = performance.now() + TICK_MS;
    let lag = 0;
    timer = setInterval(() => {
      lag = 0.7 * lag + 0.3 * Math.max(0, performance.now() - expected);
      expected = performance.now() + TICK_MS;
      show(LAG_LIMITS.find(([limit]) => lag < limit)?.[1] ?? "critical", "estimate");
    }, TICK_MS);
  };

  let observer = null;
  // A frame of another site may not observe, and a browser complains where one tries.
  if ("PressureObserver" in globalThis && window.parent === window) {
    observer = new globalThis.PressureObserver((records) => show(records.at(-1).state, "system"));
    observer.observe("cpu", { sampleInterval: 1000 }).catch(estimate);
  } else {
    estimate();
  }
  app.onEnd(() => {
    observer?.disconnect();
    clearInterval(timer);
  });
}
