// Look inside: what the model expects at each position of a prompt, and where one head of one layer looks.

import { byteName, el, field, menu, svg } from "./dom.js";

const LONGEST = 48; // bytes of prompt that a figure can show
const CELL = 14;

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function probabilityTable(positions) {
  const head = ["read", "then expected, most likely first", "what came"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  const rows = positions.map(({ token, likely, next }) => {
    const bars = likely.slice(0, 5).map(({ token: id, probability }) => {
      const bar = el("span", { class: "tgp-likely" }, el("b", {}, byteName(id)), ` ${percent(probability)}`);
      bar.style.setProperty("--share", probability.toFixed(3));
      return bar;
    });
    const came = next ? `${byteName(next.token)}: ${percent(next.probability)}, rank ${next.rank}` : "";
    return el("tr", {}, el("th", { scope: "row" }, byteName(token)), el("td", {}, ...bars), el("td", {}, came));
  });
  return el(
    "div",
    { class: "tg-table", tabindex: 0, role: "region", "aria-label": "Next-token probabilities" },
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
  );
}

function attentionFigure(positions, attention, layer, head) {
  const t = positions.length;
  const side = CELL * (t + 1);
  const label =
    `Attention of layer ${layer + 1}, head ${head + 1}: every row is a position, and how dark a field is tells ` +
    "how much it takes from the position of its column.";
  const picture = svg("svg", {
    viewBox: `0 0 ${side} ${side}`,
    role: "img",
    "aria-label": label,
    class: "tgp-attention",
  });
  for (let i = 0; i < t; i++) {
    const name = byteName(positions[i].token);
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
          svg("title", {}, `${name} looks at ${byteName(positions[j].token)}: ${percent(share)}`),
        ),
      );
    }
  }
  const strongest = Array.from({ length: t }, (_, i) => {
    const row = attention.subarray(i * t, i * t + i + 1);
    const at = row.indexOf(Math.max(...row));
    const [from, to] = [i, at].map((place) => `${byteName(positions[place].token)} (${place + 1})`);
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

/** Fill the place. */
export function insidePart(place, app) {
  const prompt = el("input", { type: "text", value: "Once upon a time there was", maxlength: LONGEST });
  const layer = menu([]);
  const head = menu([]);
  const start = app.starter(el("button", { type: "button", class: "md-button md-button--primary" }, "Look"));
  const status = el("p", { class: "tgp-status", role: "status" });
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
  place.replaceChildren(
    el("div", { class: "tgp-fields" }, field("Prompt to look at", prompt), field("Layer", layer), field("Head", head)),
    el("p", { class: "tgp-buttons" }, start),
    status,
    results,
  );
}
