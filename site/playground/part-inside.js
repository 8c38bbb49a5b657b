// Look inside: the probabilities of the next token at each position of a prompt, and the attention of one head.

import { el, field, mainButton, menu, pieceName, statusLine, svg, table } from "./dom.js";

const LONGEST = 48; // bytes of prompt that a figure can show
const CELL = 14;

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function probabilityTable(positions) {
  const rows = positions.map(({ piece, likely, next }) => {
    const bars = likely.slice(0, 5).map(({ piece: other, probability }) => {
      const bar = el("span", { class: "tgp-likely" }, el("b", {}, pieceName(other)), ` ${percent(probability)}`);
      bar.style.setProperty("--share", probability.toFixed(3));
      return bar;
    });
    const actual = next ? `${pieceName(next.piece)}: ${percent(next.probability)}, rank ${next.rank}` : "";
    return [pieceName(piece), bars, actual];
  });
  return el(
    "div",
    { class: "tg-table", tabindex: 0, role: "region", "aria-label": "Next-token probabilities" },
    table(["read", "expected next, most likely first", "actual next"], rows),
  );
}

function attentionFigure(positions, attention, layer, head) {
  const t = positions.length;
  const side = CELL * (t + 1);
  const label =
    `Attention of layer ${layer + 1}, head ${head + 1}: each row is a position; the darker a square, the more the ` +
    "position takes from the position of that column.";
  const picture = svg("svg", {
    viewBox: `0 0 ${side} ${side}`,
    role: "img",
    "aria-label": label,
    class: "tgp-attention",
  });
  for (let i = 0; i < t; i++) {
    const name = pieceName(positions[i].piece);
    const place = CELL * (i + 1.5);
    picture.append(
      svg("text", { x: CELL / 2, y: place + 3, class: "tgp-tick", "text-anchor": "middle" }, name),
      svg("text", { x: place, y: CELL - 4, class: "tgp-tick", "text-anchor": "middle" }, name),
    );
    for (let j = 0; j <= i; j++) {
      const share = attention[i * t + j];
      picture.append(
        svg(
          "rect",
          { x: CELL * (j + 1), y: CELL * (i + 1), width: CELL - 1, height: CELL - 1, "fill-opacity": share.toFixed(3) },
          svg("title", {}, `${name} looks at ${pieceName(positions[j].piece)}: ${percent(share)}`),
        ),
      );
    }
  }
  const strongest = Array.from({ length: t }, (_, i) => {
    const row = attention.subarray(i * t, i * t + i + 1);
    const at = row.indexOf(Math.max(...row));
    const [from, to] = [i, at].map((place) => `${pieceName(positions[place].piece)} (${place + 1})`);
    return `${from} looks most at ${to}, ${percent(row[at])}`;
  });
  return el(
    "figure",
    { class: "tgp-chart" },
    picture,
    el(
      "details",
      {},
      el("summary", {}, "The same in words"),
      el("ul", {}, ...strongest.map((text) => el("li", {}, text))),
    ),
  );
}

/** Fill the part's element. */
export function insidePart(part, app) {
  const prompt = el("input", { type: "text", value: "Once upon a time there was", maxlength: LONGEST });
  const layer = menu([]);
  const head = menu([]);
  const start = app.starter(mainButton("Look"));
  const status = statusLine();
  const results = el("div", {});

  const fill = (select, n) =>
    select.replaceChildren(...Array.from({ length: n }, (_, i) => el("option", { value: i }, String(i + 1))));
  app.onModel((model) => {
    fill(layer, model?.nLayers ?? 0);
    fill(head, model?.nHeads ?? 0);
  });

  const look = async () => {
    await app.needModel(status);
    const chosen = { layer: Number(layer.value), head: Number(head.value) };
    const bytes = new TextEncoder().encode(prompt.value).length;
    if (bytes > LONGEST) throw new Error(`The prompt has ${bytes} bytes; a figure can show ${LONGEST}.`);
    status.textContent = "";
    const { positions, attention } = await app.client.call("inspect", { prompt: prompt.value, ...chosen });
    results.replaceChildren(
      probabilityTable(positions),
      attentionFigure(positions, attention, chosen.layer, chosen.head),
    );
  };
  start.addEventListener("click", () => app.work(status, look));
  part.replaceChildren(
    el("div", { class: "tgp-fields" }, field("Prompt to look at", prompt), field("Layer", layer), field("Head", head)),
    el("p", { class: "tgp-buttons" }, start),
    status,
    results,
  );
}
