// Small line charts as SVG: axes, lines that each have a point shape, and a legend.

import { el, svg } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 260;
const MARGIN = { left: 56, right: 12, top: 12, bottom: 40 };

// The nth line's points: colour is never the only difference.
const SHAPES = ["circle", "square", "diamond", "cross"];

function pointPath(shape, x, y) {
  const paths = {
    circle: `M${x - 3.5},${y}a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0`,
    square: `M${x - 3},${y - 3}h6v6h-6z`,
    diamond: `M${x},${y - 4.5}l4.5,4.5l-4.5,4.5l-4.5,-4.5z`,
    cross: `M${x - 3.5},${y - 3.5}l7,7m0,-7l-7,7`,
  };
  return paths[shape];
}

const shown = (value) => (Math.abs(value) >= 1000 ? value.toLocaleString("en") : String(Number(value.toPrecision(3))));

function ticks(low, high, log) {
  if (log) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
    }
    const within = all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
    return within.length > 7 ? within.filter((value) => String(value).replace(/[0.]/g, "").startsWith("1")) : within;
  }
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough);
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) all.push(value);
  return all;
}

function axis(values, log, length) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (log) [low, high] = [low / 1.15, high * 1.15];
  else if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const to = (value) => (log ? Math.log(value) : value);
  return { low, high, log, place: (value) => ((to(value) - to(low)) / (to(high) - to(low))) * length };
}

/**
 * A line chart.
 *
 * @param {object} chart title, xLabel, yLabel, logX, logY, and lines: {name, points: [[x, y], …], marked}
 * @returns {HTMLElement} a figure, without lines that have no points
 */
export function lineChart({ title, xLabel, yLabel, logX = false, logY = false, lines }) {
  const drawn = lines.filter((line) => line.points.length);
  if (!drawn.length) return el("figure", { class: "tgp-chart" });
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const points = drawn.flatMap((line) => line.points);
  const x = axis(
    points.map(([value]) => value),
    logX,
    inner.width,
  );
  const y = axis(
    points.map(([, value]) => value),
    logY,
    inner.height,
  );
  const px = (value) => MARGIN.left + x.place(value);
  const py = (value) => MARGIN.top + inner.height - y.place(value);
  const words = drawn.map(({ name, points: own }) => `${name}: from ${shown(own[0][1])} to ${shown(own.at(-1)[1])}`);
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `${title}. ${words.join("; ")}.`,
  });
  for (const value of ticks(x.low, x.high, logX)) {
    picture.append(
      svg("text", { x: px(value), y: HEIGHT - 22, class: "tgp-tick", "text-anchor": "middle" }, shown(value)),
    );
  }
  for (const value of ticks(y.low, y.high, logY)) {
    picture.append(
      svg("line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: py(value), y2: py(value), class: "tgp-grid" }),
      svg("text", { x: MARGIN.left - 6, y: py(value) + 4, class: "tgp-tick", "text-anchor": "end" }, shown(value)),
    );
  }
  picture.append(
    svg(
      "text",
      { x: MARGIN.left + inner.width / 2, y: HEIGHT - 4, class: "tgp-tick", "text-anchor": "middle" },
      xLabel,
    ),
    svg(
      "text",
      {
        x: 12,
        y: MARGIN.top + inner.height / 2,
        class: "tgp-tick",
        "text-anchor": "middle",
        transform: `rotate(-90 12 ${MARGIN.top + inner.height / 2})`,
      },
      yLabel,
    ),
  );
  const legend = el("p", { class: "tgp-legend" });
  for (const [i, line] of drawn.entries()) {
    const shape = SHAPES[i % SHAPES.length];
    const path = line.points.map(([a, b], j) => `${j ? "L" : "M"}${px(a).toFixed(1)},${py(b).toFixed(1)}`).join("");
    picture.append(svg("path", { d: path, class: `tgp-line tgp-line-${i}` }));
    if (line.marked) {
      for (const [a, b] of line.points)
        picture.append(svg("path", { d: pointPath(shape, px(a), py(b)), class: `tgp-mark tgp-line-${i}` }));
    }
    const sample = svg("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" });
    sample.append(svg("path", { d: "M0,6H24", class: `tgp-line tgp-line-${i}` }));
    if (line.marked) sample.append(svg("path", { d: pointPath(shape, 12, 6), class: `tgp-mark tgp-line-${i}` }));
    legend.append(el("span", {}, sample, ` ${line.name}`));
  }
  return el("figure", { class: "tgp-chart" }, picture, legend);
}
