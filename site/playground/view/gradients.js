// The size of the gradients, layer by layer: how strongly the last step pulled at each part of the model.

import { el, heading } from "../dom.js";
import { explained } from "./explain.js";

const TOPICS = [
  ["embedding", "embedding"],
  ["attention", "attention"],
  ["mlp", "mlp"],
  ["norm", "norm"],
];

const topicOf = (name) => TOPICS.find(([word]) => name.toLowerCase().includes(word))?.[1] ?? "gradient";

const EMPTY = "Bars appear here while a model trains: one for each layer, as long as the layer's gradient is large.";

/** Fill the part's element. */
export function gradientsPart(part, app) {
  const rows = new Map(); // name → {row, value}
  const list = el("div", { class: "tgp-bars", role: "list" });
  const note = el("p", { class: "tgp-note" }, EMPTY);
  const build = (gradients) => {
    rows.clear();
    list.replaceChildren();
    for (const { name } of gradients) {
      const value = el("span", { class: "tgp-value" });
      const bar = el("span", { class: "tgp-bar" });
      const row = el("div", { class: "tgp-layer", role: "listitem" }, explained(topicOf(name), name), bar, value);
      rows.set(name, { row, value });
      list.append(row);
    }
  };
  app.on("news", ({ gradients }) => {
    if (!gradients) return;
    if (gradients.length !== rows.size || gradients.some(({ name }) => !rows.has(name))) build(gradients);
    note.textContent = "Each bar is the norm of a layer's gradient at the last step. The longest is the full width.";
    const largest = Math.max(...gradients.map(({ norm }) => norm));
    for (const { name, norm } of gradients) {
      const { row, value } = rows.get(name);
      row.style.setProperty("--share", (norm / largest || 0).toFixed(3));
      value.textContent = norm.toPrecision(2);
    }
  });
  part.replaceChildren(heading("Gradients", explained("gradient", "what is a gradient?")), list, note);
}
