// Small line charts as SVG: axes, lines that each have a point shape, levels to compare with, and a legend.

import { el, svg } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 260;
const NARROW = 480; // pixels; a narrower chart is lower, so that more than it is in view on a phone
const LOW_HEIGHT = 190;
const MARGIN = { left: 56, right: 12, top: 12, bottom: 40 };
const LEVELS_WIDTH = 52; // of the levels' names, at the right
const NAME_HEIGHT = 12; // at least, between the names of two levels
const MARKS_APART = 24; // pixels at least

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

// The last of some places, and those before it that are far enough from the next one.
function spaced(places) {
  const kept = [];
  for (const place of places.toReversed()) {
    if (!kept.length || kept.at(-1)[0] - place[0] >= MARKS_APART) kept.push(place);
  }
  return kept;
}

/**
 * A line chart.
 *
 * @param {object} chart title, xLabel, yLabel, logX, logY, and lines: {name, points: [[x, y], …], marked}; further
 *   xs and ys that the axes reach, levels: {name, y}, and the width in pixels
 * @returns {HTMLElement} a figure, without lines that have no points
 */
export function lineChart({
  title, xLabel, yLabel, logX = false, logY = false, lines, xs = [], ys = [], levels = [], width = WIDTH,
}) {
  const drawn = lines.filter((line) => line.points.length);
  const points = drawn.flatMap((line) => line.points);
  const across = [...xs, ...points.map(([value]) => value)];
  const along = [...ys, ...points.map(([, value]) => value), ...levels.map(({ y }) => y)];
  if (!across.length || !along.length) return el("figure", { class: "tgp-chart" });
  const right = MARGIN.right + (levels.length ? LEVELS_WIDTH : 0);
  const height = width < NARROW ? LOW_HEIGHT : HEIGHT;
  const inner = { width: width - MARGIN.left - right, height: height - MARGIN.top - MARGIN.bottom };
  const x = axis(across, logX, inner.width);
  const y = axis(along, logY, inner.height);
  const px = (value) => MARGIN.left + x.place(value);
  const py = (value) => MARGIN.top + inner.height - y.place(value);
  const words = drawn.map(({ name, points: own }) => `${name}: from ${shown(own[0][1])} to ${shown(own.at(-1)[1])}`);
  const picture = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${title}. ${words.join("; ")}.`,
  });
  const label = (text, place) => svg("text", { class: "tgp-tick", "text-anchor": "middle", ...place }, text);
  for (const value of ticks(x.low, x.high, logX)) picture.append(label(shown(value), { x: px(value), y: height - 22 }));
  for (const value of ticks(y.low, y.high, logY)) {
    picture.append(
      svg("line", { x1: MARGIN.left, x2: width - right, y1: py(value), y2: py(value), class: "tgp-grid" }),
      label(shown(value), { x: MARGIN.left - 6, y: py(value) + 4, "text-anchor": "end" }),
    );
  }
  const middle = MARGIN.top + inner.height / 2;
  picture.append(
    label(xLabel, { x: MARGIN.left + inner.width / 2, y: height - 4 }),
    label(yLabel, { x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }),
  );
  let above = -Infinity; // where the last level's name is
  for (const level of levels.toSorted((a, b) => b.y - a.y)) {
    const at = py(level.y);
    above = Math.max(at + 4, above + NAME_HEIGHT);
    picture.append(
      svg("line", { x1: MARGIN.left, x2: width - right, y1: at, y2: at, class: "tgp-level" }),
      label(level.name, { x: width - right + 6, y: above, "text-anchor": "start" }),
    );
  }
  const legend = el("p", { class: "tgp-legend" });
  const lineShapes = drawn.map((line, i) => {
    const shape = SHAPES[i % SHAPES.length];
    const mark = (x, y) => svg("path", { d: pointPath(shape, x, y), class: `tgp-mark tgp-line-${i}` });
    const places = line.points.map(([a, b]) => [px(a), py(b)]);
    const path = places.map(([a, b], j) => `${j ? "L" : "M"}${a.toFixed(1)},${b.toFixed(1)}`).join("");
    const marks = line.marked ? spaced(places).map(([a, b]) => mark(a, b)) : [];
    const sample = svg("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" });
    sample.append(svg("path", { d: "M0,6H24", class: `tgp-line tgp-line-${i}` }), ...(line.marked ? [mark(12, 6)] : []));
    legend.append(el("span", {}, sample, ` ${line.name}`));
    return [svg("path", { d: path, class: `tgp-line tgp-line-${i}` }), ...marks];
  });
  picture.append(...lineShapes.reverse().flat()); // the first line is on top
  return el("figure", { class: "tgp-chart" }, picture, legend);
}

/**
 * Keep a chart as wide as its place and up to date.
 *
 * @param {HTMLElement} place
 * @param {() => object} read gives the chart, but for its width
 * @returns {{draw: () => void, end: () => void}} draw it again, at most once a frame; stop following the width
 */
export function followedChart(place, read) {
  let width = 0;
  let waiting = false;
  const draw = () => {
    if (waiting || !width) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      place.replaceChildren(lineChart({ ...read(), width }));
    });
  };
  const observer = new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === width) return;
    width = Math.round(contentRect.width);
    draw();
  });
  observer.observe(place);
  return { draw, end: () => observer.disconnect() };
}
