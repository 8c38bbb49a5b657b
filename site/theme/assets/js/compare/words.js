// A comparison in words: a sentence on whether the difference means anything, and a table. Numbers are written as the
// pages write them (tinygpt/terminal/quantities.py).
import { grouped } from "./rows.js";

const UNITS = [
  [0.9995e-3, 1e6, "µs"],
  [0.9995, 1e3, "ms"],
  [120, 1, "s"],
  [7200, 1 / 60, "min"],
  [Number.POSITIVE_INFINITY, 1 / 3600, "h"],
];
const SHOWN = 3; // cells that the sentence names

const significant = (value) => {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const exponent = Number(value.toExponential(2).split("e")[1]);
  const rounded = Number(value.toPrecision(3));
  const digits = Math.max(0, 2 - exponent);
  return rounded.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
};
const ratio = (value) => `${significant(value)}×`;
const percent = (share) => `${(share * 100).toFixed(0)} %`;
const duration = (seconds) => {
  const [, scale, unit] = UNITS.find(([limit]) => seconds < limit);
  return `${significant(seconds * scale)} ${unit}`;
};
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const listed = (texts) => (texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`);

// `across`: a side is a machine, and everything is relative to unchanged code that ran on both.
export const describe = ({ points, missing, threshold }, across) => ({
  sentence: sentenceOf(points, threshold, across),
  table: tableOf(points),
  bases: basesOf(points),
  missing,
});

const sentenceOf = (points, threshold, across) => {
  if (!points.length) return "Nothing was timed on both sides, so there is no difference to judge.";
  const judged = points.filter(({ outcome }) => outcome !== "not comparable");
  if (!judged.length) {
    return `The times differ, but nothing shows that the code does: ${points[0].basis}. The ratios below are those of the bare times.`;
  }
  const beside = across ? "Beside unchanged code that ran on both, " : "";
  const rest = points.length - judged.length;
  const unknown = rest ? ` Of ${counted(rest, "other cell")} nothing can be said.` : "";
  const changed = judged.filter(({ outcome }) => outcome === "slower" || outcome === "faster");
  const surest = [...changed].sort((a, b) => distance(b) - distance(a)).slice(0, SHOWN);
  if (changed.length) {
    const named = surest.map(
      ({ variant, preset, outcome, speedup, low, high }) =>
        `${variant} at ${preset} is ${outcome} (${ratio(speedup)}, ${ratio(low)} to ${ratio(high)})`,
    );
    const more = changed.length > surest.length ? ", the surest of them" : "";
    const start = `the difference means something in ${changed.length} of ${counted(judged.length, "cell")}${more}:`;
    return `${capital(`${beside}${start}`)} ${listed(named)}.${unknown}`;
  }
  const open = judged.filter(({ outcome }) => outcome === "inconclusive").length;
  const excluded = judged.length - open;
  const parts = [
    excluded ? `a loss of ${percent(threshold)} is excluded in ${excluded}` : "",
    open ? `${open} ${open === 1 ? "is" : "are"} inconclusive` : "",
  ].filter(Boolean);
  const start = `no difference is shown: of ${counted(judged.length, "cell")}, ${listed(parts)}.`;
  return `${capital(`${beside}${start}`)}${unknown}`;
};

// How far an interval is from 1, by logarithms.
const distance = ({ low, high }) => Math.max(Math.log(low), -Math.log(high));
const capital = (text) => text[0].toUpperCase() + text.slice(1);

const HEADINGS = ["engine", "preset", "before", "after", "before ÷ after", "interval", "detectable from", "outcome"];

const tableOf = (points) => ({
  headings: HEADINGS,
  rows: points.map((point) => {
    const { variant, preset, before, after, speedup, low, high, detectable, outcome } = point;
    const known = low !== undefined;
    return [
      { text: variant },
      { text: preset },
      { text: duration(before), numeric: true },
      { text: duration(after), numeric: true },
      { text: ratio(speedup), numeric: true },
      { text: known ? `${ratio(low)} to ${ratio(high)}` : "no interval" },
      { text: known ? percent(detectable) : "–", numeric: true },
      { text: outcome },
    ];
  }),
});

// What each answer rests on, once for all cells of which it is true.
const basesOf = (points) =>
  [...grouped(points, ({ basis }) => basis)].map(
    ([basis, group]) => `${listed(group.map(({ variant, preset }) => `${variant} at ${preset}`))}: ${basis}`,
  );
