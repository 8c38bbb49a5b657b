// One panel of the playground, in a frame of another page.
//
// The address chooses: ?panel=train (or write, inside, measure), ?theme=dark (light, dark, or auto: like the system),
// and the entries that the playground has. The page posts the height that it needs to its parent, where embed.js uses it.

import { el } from "./dom.js";
import { mount } from "./playground.js";

const PANELS = {
  train: ["train", "loss", "text"],
  write: ["words", "text"],
  inside: ["words", "inside"],
  measure: ["measure"],
};
const FIRST = "train";
const SCHEMES = { light: "default", dark: "slate" };

const query = new URLSearchParams(location.search);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function colour() {
  const theme = SCHEMES[query.get("theme")] ?? (prefersDark.matches ? SCHEMES.dark : SCHEMES.light);
  document.body.setAttribute("data-md-color-scheme", theme);
}

const asked = query.get("panel") ?? FIRST;
const known = Object.hasOwn(PANELS, asked);
const complaint = known
  ? ""
  : `The address asks for panel "${asked.slice(0, 30)}"; it can be ${Object.keys(PANELS).join(", ")}.`;

colour();
prefersDark.addEventListener("change", colour);
const panel = known ? asked : FIRST;
for (const title of document.querySelectorAll("h1")) {
  title.hidden = title.dataset.panel !== panel;
  if (!title.hidden) document.title = title.textContent;
}
for (const part of PANELS[panel]) {
  document.querySelector(".tgp-view").append(el("section", { class: "tgp-panel", "data-playground": part }));
}
// To any origin: a height is no secret, and a page in a file has no origin.
new ResizeObserver(() => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  if (window.parent !== window) window.parent.postMessage({ type: "tinygpt:height", height }, "*");
}).observe(document.body);
mount(document.querySelector(".tg-playground"), complaint);
