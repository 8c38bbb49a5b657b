// Links from what the page shows to the pages that explain it. They open in another tab: leaving ends a training.

import { el } from "../dom.js";

const ROOT = new URL("../../../../", import.meta.url); // above assets/generated/playground/view/

// Topic → page and heading; a test follows each of them.
const PAGES = {
  byte: "learn/sitting_1/#bytes",
  loss: "derivations/cross_entropy/#cross-entropy",
  "held-out loss": "learn/loss/",
  ladder: "learn/loss/#a-ladder-of-counting-models",
  overfitting: "learn/clinic/#text",
  probability: "derivations/cross_entropy/#softmax",
  attention: "derivations/attention/#forward",
  embedding: "derivations/embedding/#backward",
  mlp: "derivations/linear/#backward",
  norm: "derivations/layer_norm/#backward",
  gradient: "learn/chain_rule/",
  update: "derivations/adamw/#the-update",
  context: "derivations/generation/#beyond-the-context",
  cache: "derivations/generation/#the-cache",
  choosing: "derivations/generation/#choosing",
  parameters: "learn/gpt/",
  gallery: "gallery/",
};

/** A link to the explanation of a topic. */
export const explained = (topic, ...children) =>
  el("a", { href: new URL(PAGES[topic], ROOT).href, target: "_blank", rel: "noopener", class: "tgp-why" }, ...children);
