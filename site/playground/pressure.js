// The load of the processor, as a chip from green to red.
//
// Chromium reports it through the Compute Pressure API. Other browsers get an estimate from the lag of a timer, and the
// chip says so.

import { el } from "./dom.js";

const LEVELS = {
  nominal: ["calm", 1],
  fair: ["working", 2],
  serious: ["busy", 3],
  critical: ["strained", 4],
};

const TICK_MS = 250;
const LAG_LIMITS = [
  [8, "nominal"],
  [30, "fair"],
  [100, "serious"],
];

/** Add the chip to an element; returns a function that removes it. */
export function showPressure(place) {
  const chip = el("span", { class: "tgp-pressure", role: "status" }, "Processor: …");
  place.append(chip);
  const show = (state, source) => {
    const [word, level] = LEVELS[state];
    if (chip.dataset.level === String(level) && chip.dataset.source === source) return;
    chip.dataset.level = level;
    chip.dataset.source = source;
    chip.textContent = `Processor: ${word}${source === "estimate" ? " (estimate)" : ""}`;
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
  return () => {
    observer?.disconnect();
    clearInterval(timer);
    chip.remove();
  };
}
