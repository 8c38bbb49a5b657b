// Inside the model in view: what it expects at the cursor, and where one of its heads looks in the reader's words.

import { el, heading, menu, options, percent, pieceName, svg } from "../dom.js";
import { explained } from "./explain.js";

const LIKELY = 8; // candidates, as many as the worker gives
const SHOWN = 40; // positions of a picture; those before them are left out
const CELL = 14;
const LETTER = 5; // width of one in a label
const LABEL = 8; // letters of a label at most
const PRESS = "A press types it.";

const short = (piece) => pieceName(piece).replaceAll("0x", "");
const labelOf = (piece) => {
  const letters = [...short(piece)];
  return letters.length > LABEL ? `${letters.slice(0, LABEL - 1).join("")}…` : letters.join("");
};

// Buttons with the candidates: a press types one.
function candidates(app) {
  const rows = Array.from({ length: LIKELY }, () => {
    const [name, bar, value] = [el("b", {}), el("span", { class: "tgp-bar" }), el("span", { class: "tgp-value" })];
    const row = el("button", { type: "button", class: "tgp-likely", disabled: true }, name, bar, value);
    row.addEventListener("click", () => app.words.type(row.dataset.text));
    return { row, name, value };
  });
  const show = (likely) => {
    for (const [i, { piece, probability }] of likely.entries()) {
      const { row, name, value } = rows[i];
      row.dataset.text = new TextDecoder().decode(piece);
      row.disabled = pieceName(piece).startsWith("0x"); // no character of its own
      row.style.setProperty("--share", probability.toFixed(3));
      row.setAttribute("aria-label", `Type ${pieceName(piece)}, ${percent(probability)}`);
      name.textContent = pieceName(piece);
      value.textContent = percent(probability);
    }
  };
  return { list: el("div", { class: "tgp-bars" }, ...rows.map(({ row }) => row)), show };
}

// The words before the cursor, each character as dark as the cursor's position looks at it, and the whole matrix.
function attentionPicture() {
  const strip = el("p", { class: "tgp-strip" });
  const place = el("div", {});
  const words = el("p", { class: "tgp-note" });
  let drawn = ""; // the tokens in the picture
  let fields = [];
  let letters = [];

  const build = (tokens, lost) => {
    const t = tokens.length;
    const labels = tokens.map(labelOf);
    const gutter = CELL + LETTER * (Math.max(...labels.map((label) => [...label].length)) - 1); // for the longest label
    const side = gutter + CELL * t;
    const picture = svg("svg", { viewBox: `0 0 ${side} ${side}`, role: "img", class: "tgp-attention" });
    // Labels of one letter are in the middle of their place; longer ones end at the squares, those above on their sides.
    const label = (i, x, y, place) => svg("text", { x, y, class: "tgp-tick", ...place }, labels[i]);
    const rowLabel = (i, at) => label(i, gutter - 3, at + 3, { "text-anchor": "end" });
    const columnLabel = (i, at) =>
      gutter === CELL
        ? label(i, at, gutter - 4, { "text-anchor": "middle" })
        : label(i, at + 3, gutter - 3, { transform: `rotate(-90 ${at + 3} ${gutter - 3})` });
    fields = [];
    for (let i = 0; i < t; i++) {
      const at = gutter + CELL * (i + 0.5);
      picture.append(rowLabel(i, at), columnLabel(i, at));
      for (let j = 0; j <= i; j++) {
        const field = svg("rect", { x: gutter + CELL * j, y: gutter + CELL * i, width: CELL - 1, height: CELL - 1 });
        fields.push(field);
        picture.append(field);
      }
    }
    letters = tokens.map((piece) => el("span", {}, short(piece)));
    strip.replaceChildren(...(lost ? [el("del", {}, `${lost} gone`)] : []), ...letters);
    place.replaceChildren(picture);
  };

  /** Draw `matrix` (n, n) over the last positions of `tokens` (n pieces); `lost` positions before them are out of reach. */
  const show = (tokens, matrix, title, lost) => {
    const n = tokens.length;
    const from = Math.max(0, n - SHOWN);
    const seen = tokens.slice(from);
    const key = `${lost}:${seen.join(" ")}`;
    if (key !== drawn) build(seen, lost);
    drawn = key;
    const share = (i, j) => matrix[(from + i) * n + from + j];
    let at = 0;
    for (let i = 0; i < seen.length; i++) {
      for (let j = 0; j <= i; j++) fields[at++].setAttribute("fill-opacity", share(i, j).toFixed(3));
    }
    const last = seen.length - 1;
    let strongest = 0;
    for (let j = 0; j <= last; j++) if (share(last, j) > share(last, strongest)) strongest = j;
    for (let j = 0; j <= last; j++) {
      letters[j].style.setProperty("--share", (share(last, j) / share(last, strongest)).toFixed(3));
      letters[j].title = percent(share(last, j));
    }
    const back = last - strongest;
    const where = back ? `${pieceName(seen[strongest])}, ${back} ${back === 1 ? "place" : "places"} back` : "itself";
    const told = `${pieceName(seen[last])} at the cursor looks most at ${where}: ${percent(share(last, strongest))}.`;
    words.textContent = told;
    place.firstChild.setAttribute(
      "aria-label",
      `${title}. Each row is a position; the stronger a square's colour, the more it takes from that column's. ${told}`,
    );
  };
  return { parts: [strip, place, words], show };
}

/** Fill the part's element. */
export function insidePart(part, app) {
  const next = candidates(app);
  const picture = attentionPicture();
  const nextName = el("span", {}, "Next character");
  const layer = menu([]);
  const head = menu([]);
  const expects = el("p", { class: "tgp-note", role: "status" }, PRESS);
  const say = (words) => expects.textContent !== words && (expects.textContent = words);
  const numbered = (n) => options(Array.from({ length: n }, (_, i) => [i, String(i + 1)]));

  // One question at a time, the newest next.
  let asking = false;
  let again = false;
  const ask = async () => {
    if (!app.model || document.hidden) return;
    again = true;
    if (asking) return;
    asking = true;
    while (again) {
      again = false;
      try {
        const answer = await app.client.call("predict", { text: app.words.before });
        const { likely, pieces, lost, attention, nHeads, length } = answer;
        const [layerNow, headNow] = [layer, head].map(({ value }) => Number(value));
        const from = (layerNow * nHeads + headNow) * length * length;
        const title = `Attention of layer ${layerNow + 1}, head ${headNow + 1}`;
        next.show(likely);
        picture.show(pieces, attention.subarray(from, from + length * length), title, lost);
        if (lost) app.tell("lost");
        say(PRESS);
      } catch (error) {
        say(error.message);
      }
    }
    asking = false;
  };

  app.onModel((model) => {
    for (const [control, n] of [[layer, model?.nLayers ?? 1], [head, model?.nHeads ?? 1]]) {
      if (control.options.length !== n) control.replaceChildren(...numbered(n));
    }
    nextName.textContent = model?.unit === "tokens" ? "Next token" : "Next character";
    if (!model?.training) ask(); // a training tells when it has begun
  });
  app.on("words", ask);
  app.on("news", ({ sample }) => sample !== undefined && ask());
  for (const control of [layer, head]) control.addEventListener("change", ask);

  const choice = (label, control) => el("label", { class: "tgp-inline" }, label, " ", control);
  part.replaceChildren(
    el(
      "section",
      { class: "tgp-panel" },
      heading(nextName, explained("probability", "where do these come from?")),
      next.list,
      expects,
    ),
    el(
      "section",
      { class: "tgp-panel" },
      heading("Attention", choice("Layer", layer), choice("Head", head), explained("attention", "what is it?")),
      ...picture.parts,
    ),
  );
  return () => app.needModel(expects).catch((error) => say(error.message));
}
