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
export const button = (text, properties = {}, kind = "md-button") =>
  el("button", { type: "button", class: kind, ...properties }, text);

/** The button of a part's main task. */
export const mainButton = (text) => button(text, {}, "md-button md-button--primary");

/** A line for a task's progress and errors. */
export const statusLine = () => el("p", { class: "tgp-status", role: "status" });

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

/** The number in an input; throws an error for readers if it is none, or outside the input's limits. */
export function readNumber(input, name, whole = true) {
  const value = Number(input.value);
  const [low, high] = [Number(input.min), Number(input.max)];
  if (
    input.value.trim() === "" ||
    !Number.isFinite(value) ||
    value < low ||
    value > high ||
    (whole && !Number.isInteger(value))
  ) {
    throw new Error(
      `${name} is "${input.value}"; ${whole ? "a whole number" : "a number"} from ${low} to ${high} is needed.`,
    );
  }
  return value;
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
