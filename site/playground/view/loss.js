// The loss against the clock, on the text trained on and on the part held out, and what the curve says.

import { followedChart } from "../chart.js";
import { partsOf } from "../corpus.js";
import { count, el, heading } from "../dom.js";
import { BYTES } from "../tokenizer.js";
import { explained } from "./explain.js";
import { countingLadder, NOTHING_LEARNED, readCurve, readScore } from "./reading.js";

const DRAWN = 300; // points at most, each the mean of some consecutive ones
const LOW = 1.5; // that the loss's axis reaches at least
const FIRST_SECONDS = 10; // of the axis, which doubles when it is full

function thinned(points) {
  const stretch = Math.ceil(points.length / DRAWN);
  if (stretch <= 1) return points;
  const means = [];
  for (let i = 0; i < points.length; i += stretch) {
    const some = points.slice(i, i + stretch);
    means.push([some.at(-1)[0], some.reduce((sum, [, loss]) => sum + loss, 0) / some.length]);
  }
  return means;
}

function axisEnd(seconds, left) {
  let end = FIRST_SECONDS;
  while (end < seconds) end *= 2;
  return left > 0 ? Math.max(seconds, Math.min(end, seconds + left)) : Math.max(seconds, 1);
}

// The ladder of a run's text; none for a text that is too short to hold a part out, or that only the worker has.
function ladderOf(run) {
  try {
    const { train, heldOut } = partsOf(run, run.config.contextLength, BYTES);
    return countingLadder(train, heldOut);
  } catch {
    return [];
  }
}

/** Fill the part's element. */
export function lossPart(part, app) {
  let [train, heldOut, ladder] = [[], [], []];
  let rival = null; // {name, words, loss} of another model on the same text
  let seconds = 0; // of training
  let score = null; // of a toy task: share of right answers
  let left = FIRST_SECONDS;
  const [step, training, held] = ["0", "–", "–"].map((text) => el("b", {}, text));
  const place = el("div", { class: "tgp-live" });
  const says = el("p", { class: "tgp-reading" });
  const levels = () => [...ladder, ...(rival ? [rival] : [])];
  const chart = followedChart(place, () => ({
    title: "Loss against the clock",
    xLabel: "seconds of training",
    yLabel: "loss, nats per byte",
    xs: [0, axisEnd(seconds, left)],
    ys: [LOW, NOTHING_LEARNED],
    levels: levels().map(({ name, loss }) => ({ name, y: loss })),
    lines: [
      { name: "training", points: thinned(train) },
      { name: "held out", points: heldOut, marked: true },
    ],
  }));
  app.onEnd(chart.end);

  const read = () => {
    const { state, words } =
      score === null ? readCurve(train, heldOut, levels().toSorted((a, b) => b.loss - a.loss)) : readScore(score);
    says.dataset.state = state;
    says.textContent = words;
  };
  app.on("run", (run) => {
    if (!run.continued) [train, heldOut, rival, seconds, score] = [[], [], null, 0, null];
    ladder = ladderOf(run);
    read();
    chart.draw();
  });
  app.on("news", (news) => {
    seconds = news.milliseconds / 1000;
    for (const [, loss, milliseconds] of news.losses) train.push([milliseconds / 1000, loss]);
    left = news.secondsLeft ?? left;
    step.textContent = count(news.step);
    training.textContent = train.at(-1)?.[1].toFixed(2) ?? "–";
    score = news.score ?? score;
    if (news.heldOut !== undefined) {
      heldOut.push([seconds, news.heldOut]);
      held.textContent = news.heldOut.toFixed(2);
      read();
    }
    chart.draw();
  });
  app.on("end", () => {
    left = 0;
    chart.draw();
  });
  app.on("rival", (other) => {
    rival = other;
    read();
    chart.draw();
  });

  read();
  part.replaceChildren(
    heading("Loss"),
    el(
      "p",
      { class: "tgp-numbers" },
      el("span", {}, "step ", step),
      el("span", {}, explained("loss", "training"), " ", training),
      el("span", {}, explained("held-out loss", "held out"), " ", held),
    ),
    place,
    says,
    el(
      "p",
      { class: "tgp-note" },
      "Dashed: models that only ",
      explained("ladder", "count letters, pairs and triples"),
      " of this text.",
    ),
  );
}
