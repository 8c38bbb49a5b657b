// What a browser says of a graphics card that failed, to read and to copy.

import { button, el } from "./dom.js";

// A folded report with a button that copies it.
function reportBox(report) {
  const text = el("pre", { tabindex: 0, "aria-label": "Report" }, report);
  const copy = button("Copy the report");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(report);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text); // a browser may forbid the clipboard, but not to select
    }
  });
  return el("details", { class: "tgp-report" }, el("summary", {}, "Report on the graphics card"), text, copy);
}

/**
 * Show failures in the page's notice: that of the worker's start, if it had one, and later ones.
 *
 * @param {Client} client
 * @param {{notice: string, report: string}} started the answer to "start"
 * @param {HTMLElement} place the notice
 * @param {() => void} failed is called at later ones
 */
export function showFailures(client, { notice, report }, place, failed) {
  const show = (failure) => {
    place.textContent = `${place.textContent} ${failure.message}`.trim();
    if (failure.report) place.after(reportBox(failure.report));
  };
  client.onFailure = (failure) => {
    show(failure);
    failed();
  };
  show({ message: notice, report });
}
