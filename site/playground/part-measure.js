// The curve in this tab: training steps in plain JavaScript, WebAssembly and WebGPU, preset by preset, and the
// published curve. Protocol (three warm-up steps, fifteen measured) and columns of the rows are the pipeline's, from
// index.json.

import { lineChart } from "./chart.js";
import { button, count, download, duration, el, mainButton, statusLine, table as tableOf } from "./dom.js";
import { fetchText } from "./models.js";
import { BACKENDS } from "./view/computing.js";

const KINDS = Object.entries(BACKENDS);
const [BASELINE] = KINDS[0];
const [EXACT, HALVES] = ["webgpu", "webgpu-f16"];
const CHECKED = ["tiny", "small"];

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const canonical = (record) =>
  JSON.stringify(Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))));

async function sha256(text) {
  if (!crypto.subtle) throw new Error("Measuring needs https or localhost: rows are named by a hash.");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// As bench/records/machine.py has it; the browser takes the place of Python.
const machineRecord = (accelerator) => ({
  cpu: "not disclosed by browsers",
  arch_level: accelerator ? "WebGPU" : "WebAssembly",
  cores: navigator.hardwareConcurrency ?? 1,
  core_quota: null,
  memory_gib: navigator.deviceMemory ?? 0,
  memory_limit_gib: null,
  os: navigator.platform,
  python: navigator.userAgent,
  numpy: "none",
  numexpr: null,
  blas: "none",
  blas_version: null,
  blas_kernel: null,
  blas_threads: null,
  accelerator,
});

/** Rows of the tables `runs` and `steps` for one measured cell. */
async function rowsOf({ preset, kind, result, accelerator, corpus, index, run }) {
  const protocol = canonical({
    ...index.protocol,
    preset: preset.name,
    n_layers: preset.nLayers,
    d_model: preset.dModel,
    n_heads: preset.nHeads,
    context_length: preset.contextLength,
    batch_size: preset.batchSize,
    corpus: corpus.name,
    corpus_sha256: corpus.sha256,
  });
  const machine = canonical(machineRecord(accelerator));
  const variant = `browser-${kind}`;
  const cell = `${run.id}/${variant}/${preset.name}/0`;
  const { steps } = result;
  const values = {
    run_id: run.id,
    cell_id: cell,
    kind: "bench",
    engine: variant,
    variant,
    preset: preset.name,
    round: 0,
    status: result.stopped ? "interrupted" : "ok",
    error_tail: result.stopped ? "stopped by hand" : null,
    command: "the page Playground, section “The curve in your tab”",
    protocol_hash: await sha256(protocol),
    protocol,
    machine_hash: await sha256(machine),
    machine,
    started_at: run.startedAt,
    suite: "playground",
    corpus: corpus.name,
    corpus_sha256: corpus.sha256,
    seed: index.protocol.seed,
    n_parameters: preset.parameters,
    tokens_per_step: preset.batchSize * preset.contextLength,
    warmup_steps: index.protocol.warmup_steps,
    measured_steps: index.protocol.measured_steps,
    steps_done: steps.length,
    peak_memory_bytes: result.bytes,
    setup_seconds: result.setupSeconds,
    first_loss: steps[0]?.loss ?? null,
    last_loss: steps.at(-1)?.loss ?? null,
    wall_seconds: result.wallSeconds,
    resolved_variant: variant,
    threads: accelerator ? null : 1,
  };
  const complete = (table, known) =>
    Object.fromEntries(index.columns[table].map((name) => [name, known[name] ?? null]));
  return {
    runs: [complete("runs", values)],
    steps: steps.map((step) =>
      complete("steps", {
        run_id: run.id,
        cell_id: cell,
        step: step.step,
        is_warmup: step.isWarmup,
        seconds: step.seconds,
        loss: step.loss,
        grad_norm: step.gradNorm,
        elapsed_seconds: step.elapsedSeconds,
      }),
    ),
  };
}

function csv(rows) {
  const cell = (value) => {
    // A spreadsheet takes a text that begins so for a formula; bench/records/export.py does the same.
    const formula = typeof value === "string" && /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value);
    const text = `${formula ? "'" : ""}${value ?? ""}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const names = Object.keys(rows[0]);
  return [names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n") + "\n";
}

/** Fill the part's element. */
export function measurePart(part, app) {
  const { presets, corpora, published } = app.index;
  const [corpus] = corpora;
  const boxes = presets.map((preset) => [
    preset,
    el("input", { type: "checkbox", checked: CHECKED.includes(preset.name) }),
  ]);
  const start = app.starter(mainButton("Measure"));
  const stop = button("Stop", { disabled: true });
  const asJson = button("Download rows (JSON)", { hidden: true });
  const asCsv = button("Download rows (CSV)", { hidden: true });
  const status = statusLine();
  const figure = el("div", {});
  const table = el("div", {});
  const tables = { runs: [], steps: [] };
  const cells = new Map(); // preset → median seconds by kind
  const drifts = new Map(); // preset → largest distance of a loss of 16-bit products from that of 32-bit ones
  const kinds = KINDS.filter(([kind]) => app.backends.includes(kind));
  const faster = kinds.filter(([kind]) => kind !== BASELINE);

  const draw = () => {
    const mine = faster.map(([kind, words]) => ({
      name: `this tab: ${words} over plain JavaScript`,
      marked: true,
      points: [...cells]
        .filter(([, times]) => times[BASELINE] && times[kind])
        .map(([{ parameters }, times]) => [parameters, times[BASELINE] / times[kind]]),
    }));
    const others = published.map(({ name, points }) => ({ name: `published: ${name}`, points, marked: true }));
    figure.replaceChildren(
      lineChart({
        title: "Times as fast, over the size of the model",
        xLabel: "parameters",
        yLabel: "times as fast",
        logX: true,
        logY: true,
        lines: [...mine, ...others],
      }),
    );
    const time = (seconds) => (seconds ? duration(seconds) : "–");
    const ratio = (times, kind) =>
      times[BASELINE] && times[kind] ? `${(times[BASELINE] / times[kind]).toPrecision(3)}×` : "–";
    const rows = [...cells].map(([{ name }, times]) => [
      name,
      ...kinds.map(([kind]) => time(times[kind])),
      ...faster.map(([kind]) => ratio(times, kind)),
    ]);
    const words = kinds.map(([, name]) => name);
    const headings = ["preset", ...words, ...faster.map(([, name]) => `${name}, times as fast`)];
    if (drifts.size) {
      headings.push("16-bit products: drift of the loss");
      for (const [i, preset] of [...cells.keys()].entries()) rows[i].push(drifts.get(preset)?.toPrecision(2) ?? "–");
    }
    if (rows.length) table.replaceChildren(tableOf(headings, rows));
  };

  const measure = async () => {
    const chosen = boxes.filter(([, box]) => box.checked).map(([preset]) => preset);
    if (!chosen.length) throw new Error("Choose at least one preset.");
    status.textContent = "Loading the text…";
    const text = await fetchText(app, corpus);
    const startedAt = new Date().toISOString();
    const machine = await sha256(canonical(machineRecord(null)));
    const stamp = startedAt.replaceAll(/[-:]|\.\d+/g, "");
    const run = { id: `${stamp}-${machine.slice(0, 8)}-${crypto.randomUUID().slice(0, 4)}`, startedAt };
    stop.disabled = false;
    try {
      for (const preset of chosen) {
        const losses = {}; // of each kind
        for (const [kind, words] of kinds) {
          const { warmup_steps: warmupSteps, measured_steps: measuredSteps, seed } = app.index.protocol;
          const message = {
            kind,
            config: { ...preset, eps: 1e-5 },
            batchSize: preset.batchSize,
            text,
            seed,
            warmupSteps,
            measuredSteps,
          };
          const progress = ({ done, of }) => (status.textContent = `${preset.name}, ${words}: step ${done} of ${of}`);
          const result = await app.client.call("measure", message, { progress });
          const accelerator = kind.startsWith(EXACT) ? app.card : null;
          const rows = await rowsOf({ preset, kind, result, accelerator, corpus, index: app.index, run });
          tables.runs.push(...rows.runs);
          tables.steps.push(...rows.steps);
          asJson.hidden = asCsv.hidden = false;
          if (result.stopped) {
            status.textContent = "Stopped.";
            return;
          }
          const seconds = median(result.steps.filter(({ isWarmup }) => !isWarmup).map((step) => step.seconds));
          cells.set(preset, { ...cells.get(preset), [kind]: seconds });
          losses[kind] = result.steps.map(({ loss }) => loss);
          if (kind === HALVES) {
            drifts.set(preset, Math.max(...losses[kind].map((loss, step) => Math.abs(loss - losses[EXACT][step]))));
          }
          draw();
        }
      }
      const names = chosen.map(({ name }) => name).join(", ");
      status.textContent = `Measured ${names}: medians of ${app.index.protocol.measured_steps} steps each.`;
    } finally {
      stop.disabled = true;
    }
  };
  start.addEventListener("click", () => app.work(status, measure));
  stop.addEventListener("click", () => app.client.control("stop"));
  asJson.addEventListener("click", () =>
    download("playground-rows.json", [JSON.stringify(tables, null, 1)], "application/json"),
  );
  asCsv.addEventListener("click", () => {
    download("playground-runs.csv", [csv(tables.runs)], "text/csv");
    download("playground-steps.csv", [csv(tables.steps)], "text/csv");
  });

  const choices = boxes.map(([{ name, parameters }, box]) =>
    el("label", { class: "tgp-check" }, box, ` ${name} (${count(parameters)})`),
  );
  part.replaceChildren(
    el("fieldset", { class: "tgp-checks" }, el("legend", {}, "Presets"), ...choices),
    el("p", { class: "tgp-buttons" }, start, stop),
    app.missing && el("p", { class: "tgp-note" }, app.missing),
    status,
    figure,
    table,
    el("p", { class: "tgp-buttons" }, asJson, asCsv),
  );
  draw();
}
