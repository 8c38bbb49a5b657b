// Elements of the page. Text enters as text nodes, never as HTML, because a model, file or prompt may hold anything.

/** An element with attributes and children (text or nodes); an attribute "onclick" and the like is a listener. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** An element in the SVG namespace. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
}

/** A labelled control; the label names it and the hint, if any, describes it. */
export function field(label, control, hint = "") {
  const id = `tgp-${label.toLowerCase().replaceAll(/[^a-z]+/g, "-")}-${field.count++}`;
  control.id = id;
  const parts = [el("label", { for: id }, label), control];
  if (hint) {
    control.setAttribute("aria-describedby", `${id}-hint`);
    parts.push(el("small", { id: `${id}-hint` }, hint));
  }
  return el("div", { class: "tgp-field" }, ...parts);
}
field.count = 0;

/** A button; `properties` are attributes besides its class. */
export const button = (text, properties = {}, kind = "") =>
  el("button", { type: "button", class: `tgp-button ${kind}`.trim(), ...properties }, text);

/** The button of a part's main task. */
export const mainButton = (text) => button(text, {}, "tgp-main");

/** A line for a task's progress and errors. */
export const statusLine = () => el("p", { class: "tgp-status", role: "status" });

/** A box for a text that a model writes. */
export const textBox = (label) => el("pre", { class: "tgp-text", role: "group", tabindex: 0, "aria-label": label });

/** Controls that are seldom needed, under a line that unfolds them. */
export const fold = (title, ...children) =>
  el("details", { class: "tgp-fold" }, el("summary", {}, title), el("div", { class: "tgp-folded" }, ...children));

/** The top of a panel: its title, and what belongs beside it. */
export const heading = (title, ...beside) => el("div", { class: "tgp-head" }, el("h2", {}, title), ...beside);

/** A table from headings and rows of cells; the first cell of a row is its heading. */
export function table(headings, rows) {
  const cells = ([first, ...others]) => [
    el("th", { scope: "row" }, first),
    ...others.map((cell) => el("td", {}, ...[cell].flat())),
  ];
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...headings.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row)))),
  );
}

/** A number input. */
export const numberInput = (value, min, max, step = 1) => el("input", { type: "number", value, min, max, step });

/** The options of a menu, from [value, text] pairs. */
export const options = (choices) => choices.map(([value, text]) => el("option", { value }, text));

/** A menu of [value, text] pairs. */
export const menu = (choices) => el("select", {}, ...options(choices));

/** True if a text is a number that an input takes. */
export function numberFits(input, text) {
  const value = Number(text);
  const within = Number.isFinite(value) && value >= Number(input.min) && value <= Number(input.max);
  return text.trim() !== "" && within && (input.step === "any" || Number.isInteger(value));
}

/** The numbers that an input takes, in words. */
export const numbersAllowed = ({ step, min, max }) =>
  `${step === "any" ? "a number" : "a whole number"} from ${min} to ${max}`;

/** The number in an input; throws an error for readers if it takes no such number. */
export function readNumber(input, name) {
  if (numberFits(input, input.value)) return Number(input.value);
  throw new Error(`${name} is "${input.value}"; ${numbersAllowed(input)} is needed.`);
}

/** Copy a text; `status` says so, or shows the text where there is no clipboard. */
export async function copy(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied";
  } catch {
    status.textContent = text; // the reader can copy it by hand
  }
}

/** Download a file to the reader's disk. */
export function download(name, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A token's bytes as text: spaces and line breaks as signs, and in numbers if they are no whole characters. */
export function pieceName(bytes) {
  const text = new TextDecoder().decode(bytes);
  if (!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\ufffd]/.test(text)) return text.replaceAll(" ", "␣").replaceAll("\n", "↵");
  return Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, "0")}`).join(" ");
}

/** A share of one as text. */
export const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** A duration as text. */
export function duration(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A size as text. */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** A count with separators. */
export const count = (n) => Math.round(n).toLocaleString("en");
