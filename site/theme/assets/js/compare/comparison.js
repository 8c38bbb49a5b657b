// Two sides, cell by cell: the rules of bench/statistics/compare.py, controls.py and evidence.py. The test
// tests/browser/test_compare.py runs both over the published rows.
import { normalQuantile, student, studentQuantile } from "./distributions.js";
import { cellName, grouped, median } from "./rows.js";

const ERROR = 0.05; // of calling an equal cell slower, or a slower one no slower, each
const NORMAL_POWER = 0.9;
const OF_A_MEDIAN = Math.sqrt(Math.PI / 2);
const CLOCK = 1e-6;
const UNCHANGED = new Set(["peer", "roofline"]);

// Compares two sides of the index. `runs` has the cells of every run that they name (rows.js).
export const compareSides = (index, before, after, runs) => {
  const across = [before, after].some(({ kind }) => kind === "machine");
  const [ours, theirs] = [before, after].map(({ cells }) =>
    cells.map(([run, ...cell]) => ({ run, ...runs.get(run).get(cellName(cell)) })),
  );
  const pairs = [];
  const missing = [];
  for (const [one, two] of pairsOf(ours, theirs, across)) {
    if (one?.rounds.size && two?.rounds.size) {
      requireSame("protocol", one.protocol, two.protocol);
      if (!across) requireSame("machine", one.machine, two.machine);
      pairs.push({ one, two, ...controlled(one, two, index.spreads) });
    } else if (one || two) {
      const reasons = [absence(one, before.name), absence(two, after.name)].filter(Boolean);
      missing.push(`${(one ?? two).variant} at ${(one ?? two).preset}: ${reasons.join(", ")}`);
    }
  }
  const levels = levelsOf(pairs.filter(({ evidence }) => evidence).map(({ evidence }) => evidence));
  const points = pairs.map(({ one, two, evidence, basis }) => ({
    variant: two.variant,
    preset: two.preset,
    before: one.seconds,
    after: two.seconds,
    ...(evidence
      ? { ...finding(evidence, levels, index.threshold), basis: `beside ${basis}` }
      : { speedup: one.seconds / two.seconds, outcome: "not comparable", basis }),
  }));
  return { points, missing, threshold: index.threshold };
};

const pairsOf = (before, after, across) => {
  const key = ({ parameters, variant, preset, protocolHash }) =>
    JSON.stringify([String(parameters).padStart(15), variant, preset, across ? protocolHash : ""]);
  const [ours, theirs] = [grouped(before, key), grouped(after, key)];
  const names = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
  const pairs = names.flatMap((name) =>
    (ours.get(name) ?? [null]).flatMap((one) => (theirs.get(name) ?? [null]).map((two) => [one, two])),
  );
  const same = pairs.filter(([one, two]) => !one || !two || one.machineHash === two.machineHash);
  return same.some(([one, two]) => one && two) ? same : pairs;
};

const absence = (cell, name) => {
  if (!cell) return `not measured in ${name}`;
  return cell.rounds.size ? "" : `${cell.status} in ${name}`;
};

// Refuses rows of two protocols or machines, with the fields that differ.
const requireSame = (kind, one, two) => {
  if (one === two) return;
  const [ours, theirs] = [JSON.parse(one), JSON.parse(two)];
  const write = (record, name) => (name in record ? JSON.stringify(record[name]) : "absent");
  const fields = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  const differing = fields.filter((name) => write(ours, name) !== write(theirs, name));
  const listed = differing.map((name) => `${name} ${write(ours, name)} against ${write(theirs, name)}`);
  throw new Error(`The rows have different ${kind}s: ${listed.join(", ")}.`);
};

// ---- evidence from two runs and unchanged code ------------------------------------------------------------------

const controlled = (before, after, spreads) => {
  const name = before.variant;
  const [one, two] = [before.arms, after.arms];
  if (!one.has(name) || !two.has(name)) {
    return { basis: `${name} itself has fewer than six rounds in one of the runs` };
  }
  const unchanged = [...one.keys()].filter((other) => other !== name && two.has(other));
  const controls = unchanged.filter((other) => UNCHANGED.has(one.get(other).kind)).sort();
  if (!controls.length) return { basis: "no unchanged code was measured beside it in six rounds of both runs" };
  const known = [before, after].map(({ machineHash }) => spreads[machineHash]);
  if (!known.every(Boolean)) {
    return { basis: "too few sessions with unchanged code are on record to know the spread between runs" };
  }
  const [first, second] = [one, two].map((arms) => level(name, arms, controls));
  const betweenRuns = (known[0].variance + known[1].variance) / 2;
  const variance = first.variance + second.variance + 2 * betweenRuns;
  const freedom = Math.min(...known.map((spread) => spread.freedom));
  const evidence = { centre: first.value - second.value, deviation: Math.max(Math.sqrt(variance), CLOCK), freedom };
  return { evidence, basis: controls.join(", ") };
};

// Median over rounds of log t_cell − mean over controls of log t_control, and the variance of that median.
const level = (name, arms, controls) => {
  const rounds = [...arms.get(name).rounds.keys()].filter((number) =>
    controls.every((other) => arms.get(other).rounds.has(number)),
  );
  const log = (other, number) => Math.log(arms.get(other).rounds.get(number));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const values = rounds.map((number) => log(name, number) - mean(controls.map((other) => log(other, number))));
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
  return { value: median(values), variance: (OF_A_MEDIAN ** 2 * squares) / values.length };
};

const pValues = ({ centre, deviation, freedom }) => {
  const slower = student(freedom, centre / deviation);
  return { slower, faster: 1 - slower };
};

// The level of each direction, corrected for the number of cells by Benjamini and Hochberg.
const levelsOf = (evidence) => {
  const n = Math.max(1, evidence.length);
  const found = evidence.map(pValues);
  const corrected = (values) => {
    const passed = [...values].sort((a, b) => a - b).map((p, at) => (p <= (ERROR * (at + 1)) / n ? at + 1 : 1));
    return (ERROR / n) * Math.max(1, ...passed);
  };
  return { slower: corrected(found.map((p) => p.slower)), faster: corrected(found.map((p) => p.faster)) };
};

const finding = ({ centre, deviation, freedom }, levels, threshold) => {
  const reach = (at) => studentQuantile(freedom, 1 - at) * deviation;
  // The upper end excludes "slower", the lower end "faster", each at its own level.
  const [low, high] = [centre - reach(levels.faster), centre + reach(levels.slower)];
  let outcome = high < 0 ? "slower" : "inconclusive";
  if (low > -Math.log1p(threshold)) outcome = low > 0 ? "faster" : "not slower";
  const quantiles = [levels.slower, levels.faster].map((at) => -normalQuantile(at));
  const needed = ((high - low) * (quantiles[0] + normalQuantile(NORMAL_POWER))) / (quantiles[0] + quantiles[1]);
  return {
    speedup: Math.exp(centre),
    low: Math.exp(low),
    high: Math.exp(high),
    confidence: 1 - levels.slower - levels.faster,
    detectable: high - low < 20 ? Math.expm1(needed) : Number.POSITIVE_INFINITY,
    outcome,
  };
};
