// A run's cells and their rounds from its Parquet files, by the rules of bench/statistics/cells.py and controls.py.

const RUNS = [
  "cell_id", "kind", "variant", "preset", "round", "status", "started_at", "protocol_hash", "protocol", "machine_hash",
  "machine", "n_parameters", "replaces",
];
const STEPS = ["cell_id", "is_warmup", "seconds", "elapsed_seconds"];
const PROBES = ["cell_id", "threads", "product_seconds", "copy_seconds"];

const KINDS = new Set(["bench", "peer", "roofline"]);
const RENAMED_IN_3 = { jax: "jax-textbook" }; // bench/records/schema.py
const MIN_ROUNDS = 6;
export const PROBE = "probe";

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

export const grouped = (rows, key) => {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (groups.has(name)) groups.get(name).push(row);
    else groups.set(name, [row]);
  }
  return groups;
};

// Reads a run's tables; `fetchFile` gives a file's bytes, `read` its rows and metadata (vendor/parquet.min.js).
export const readRun = async (files, fetchFile, read) => {
  const table = async (name, columns) =>
    files[name] ? read(await fetchFile(files[name]), columns) : { rows: [], metadata: {} };
  const [runs, steps, probes] = await Promise.all([table("runs", RUNS), table("steps", STEPS), table("probes", PROBES)]);
  const old = Number(runs.metadata["tinygpt.schema_version"]) < 3;
  for (const row of runs.rows) {
    row.round = Number(row.round);
    if (old) row.variant = RENAMED_IN_3[row.variant] ?? row.variant;
  }
  return cellsOf(runs.rows, steps.rows, probes.rows);
};

export const cellName = ([preset, protocol, variant]) => JSON.stringify([preset, protocol, variant]);

// The cells of one run by preset, protocol and variant, each with its rounds, and its arms: what ran beside it in six
// rounds or more, the probe included.
const cellsOf = (runs, steps, probes) => {
  const seconds = measuredSeconds(steps);
  const replaced = replacedRounds(runs);
  const tried = grouped(
    runs.filter(({ kind }) => KINDS.has(kind)),
    (row) => cellName([row.preset, row.protocol_hash, row.variant]),
  );
  const cells = new Map([...tried].map(([name, rows]) => [name, summarize(rows, seconds, replaced)]));
  const probed = probeRounds(runs, probes);
  const together = grouped(cells.values(), ({ preset, protocolHash }) => JSON.stringify([preset, protocolHash]));
  for (const group of together.values()) {
    const arms = new Map(group.filter(({ rounds }) => rounds.size >= MIN_ROUNDS).map((cell) => [cell.variant, cell]));
    const rounds = probed.get(group[0].preset);
    if (arms.size && rounds) arms.set(PROBE, { variant: PROBE, kind: "roofline", rounds });
    for (const cell of group) cell.arms = arms;
  }
  return cells;
};

// Cell → seconds of its measured steps. Steps that end at the same moment were timed together and count once.
const measuredSeconds = (steps) => {
  const seconds = new Map();
  const ends = new Map();
  for (const step of steps) {
    if (!ends.has(step.cell_id)) ends.set(step.cell_id, new Set());
    const seen = ends.get(step.cell_id);
    if (seen.has(step.elapsed_seconds)) continue;
    seen.add(step.elapsed_seconds);
    if (step.is_warmup) continue;
    if (!seconds.has(step.cell_id)) seconds.set(step.cell_id, []);
    seconds.get(step.cell_id).push(step.seconds);
  }
  return seconds;
};

const roundName = (preset, round) => JSON.stringify([preset, round]);

// Rounds in whose place others count: all their arms have ended in the round that measures them again.
const replacedRounds = (runs) => {
  const ended = new Map();
  const again = new Map();
  for (const { preset, round, variant, status, replaces } of runs) {
    if (status === "interrupted") continue;
    const name = roundName(preset, round);
    if (!ended.has(name)) ended.set(name, new Set());
    ended.get(name).add(variant);
    if (replaces !== null && replaces !== undefined) again.set(name, roundName(preset, Number(replaces)));
  }
  const whole = [...again].filter(([now, old]) => [...(ended.get(old) ?? [])].every((arm) => ended.get(now).has(arm)));
  return new Set(whole.map(([, old]) => old));
};

const summarize = (rows, seconds, replaced) => {
  const sorted = [...rows].sort((a, b) => a.started_at - b.started_at);
  const ok = sorted.filter(({ status }) => status === "ok");
  const done = new Set(ok.map(({ round }) => round));
  const counted = sorted.filter(({ status, round }) => status !== "interrupted" || !done.has(round));
  const quoted = (ok.length ? ok : counted).at(-1);
  const rounds = new Map();
  for (const { round, preset, cell_id: id } of ok) {
    if (seconds.has(id) && !replaced.has(roundName(preset, round))) rounds.set(round, median(seconds.get(id)));
  }
  return {
    variant: quoted.variant,
    preset: quoted.preset,
    kind: quoted.kind,
    status: quoted.status,
    parameters: Number(quoted.n_parameters),
    protocolHash: quoted.protocol_hash,
    protocol: quoted.protocol,
    machineHash: quoted.machine_hash,
    machine: quoted.machine,
    rounds,
    seconds: rounds.size ? median(rounds.values()) : Number.NaN,
  };
};

// Preset → round → median seconds of the probe, of the cells with most threads.
const probeRounds = (runs, probes) => {
  const cells = new Map(runs.map((row) => [row.cell_id, row]));
  const found = probes.filter(({ cell_id: id }) => cells.has(id));
  const byPreset = grouped(found, ({ cell_id: id }) => cells.get(id).preset);
  const arms = new Map();
  for (const [preset, group] of byPreset) {
    const most = Math.max(...group.map(({ threads }) => Number(threads)));
    const widest = group.filter(({ threads }) => Number(threads) === most);
    const byRound = grouped(widest, ({ cell_id: id }) => cells.get(id).round);
    const medians = [...byRound].map(([round, part]) => [
      round,
      median(part.map(({ product_seconds: product, copy_seconds: copy }) => product + copy)),
    ]);
    if (medians.length >= MIN_ROUNDS) arms.set(preset, new Map(medians));
  }
  return arms;
};
