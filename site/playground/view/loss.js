// The loss against the clock, on the text trained on and on the part held out, and what the curve says.

import { followedChart } from "../chart.js";
import { addLoss, newCurve } from "../curve.js";
import { count, el, heading } from "../dom.js";
import { explained } from "./explain.js";
import { NOTHING_LEARNED, readCurve, readScore } from "./reading.js";

const LOW = 1.5; // that the loss's axis reaches at least
const FIRST_SECONDS = 10; // of the axis, which doubles when it is full
const PHONE = matchMedia("(max-width: 44.9em)");
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

function axisEnd(seconds, left) {
  let end = FIRST_SECONDS;
  while (end < seconds) end *= 2;
  return left > 0 ? Math.max(seconds, Math.min(end, seconds + left)) : Math.max(seconds, 1);
}

/** Fill the part's element. */
export function lossPart(part, app) {
  let curve = newCurve();
  let ladder = []; // losses of counting models
  let rival = null; // {name, words, loss} of another model on the same text
  let seconds = 0; // of training
  let score = null; // of a toy task: share of right answers
  let left = FIRST_SECONDS;
  let followed = false; // a training, whose curve is that of the model at its end
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
      { name: "training", points: curve.train.points },
      { name: "held out", points: curve.heldOut.points, marked: true },
    ],
  }));
  app.onEnd(chart.end);

  const show = () => {
    const scale = levels().toSorted((a, b) => b.loss - a.loss);
    const { state, words } =
      score === null ? readCurve(curve.train.points, curve.heldOut.points, scale) : readScore(score);
    if (says.dataset.state !== state) app.tell("read", state);
    says.dataset.state = state;
    says.textContent = words;
    held.textContent = curve.heldOut.points.at(-1)?.[1].toFixed(2) ?? "–";
    chart.draw();
  };
  // A training that was kept has its curve; another model has none.
  const take = (run, updates = 0) => {
    [curve, ladder, score] = [structuredClone(run.curve) ?? newCurve(), run.ladder ?? [], run.score ?? null];
    [rival, seconds] = [null, (run.milliseconds ?? 0) / 1000];
    left = seconds ? 0 : FIRST_SECONDS;
    step.textContent = count(updates);
    training.textContent = curve.train.points.at(-1)?.[1].toFixed(2) ?? "–";
    show();
  };
  app.onModel((model) => {
    if (model && !model.training && !followed) take(model.run ?? {}, model.updates);
    followed = Boolean(model?.training);
  });
  app.on("run", (run) => {
    if (!run.continued) take({ ladder: run.ladder });
    left = FIRST_SECONDS;
    chart.draw();
    if (PHONE.matches && window.parent === window)
      part.scrollIntoView({ behavior: STILL.matches ? "instant" : "smooth" });
  });
  app.on("news", (news) => {
    seconds = news.milliseconds / 1000;
    for (const [, loss, milliseconds] of news.losses) addLoss(curve.train, milliseconds / 1000, loss);
    left = news.secondsLeft ?? left;
    step.textContent = count(news.step);
    training.textContent = news.losses.at(-1)?.[1].toFixed(2) ?? training.textContent;
    score = news.score ?? score;
    if (news.heldOut === undefined) return chart.draw();
    addLoss(curve.heldOut, seconds, news.heldOut);
    show();
  });
  app.on("end", () => {
    left = 0;
    chart.draw();
  });
  app.on("rival", (other) => {
    rival = other;
    show();
  });

  show();
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
