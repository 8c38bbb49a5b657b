// Train: an experiment and its button. The news of a run go to the other parts.

import { button, copy, count, duration, el, mainButton, readNumber, statusLine } from "../dom.js";
import { Experiment } from "./experiment.js";
import { ladderOf } from "./reading.js";

const HIDDEN_SHARE = 0.25; // of the time, in which a hidden tab computes

const lossesOf = ({ losses, heldOut }) => [losses.at(-1)?.[1], heldOut].map((loss) => loss?.toFixed(3) ?? "not yet");

/** Fill the part's element. */
export function trainPart(part, app) {
  const experiment = new Experiment(app);
  const start = app.starter(mainButton("Train"));
  const further = app.starter(button("Continue"));
  const pause = button("Pause", { disabled: true });
  const stop = button("Stop", { disabled: true });
  const link = button("Copy link", {}, "tgp-quiet");
  const copied = el("span", { class: "tgp-note", role: "status" });
  const done = el("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const status = statusLine();
  const hiddenNote = slowWhenHidden(app, () => !stop.disabled);

  experiment.idle = () => !start.disabled;
  app.describes = (model) => experiment.describes(model);
  app.on("try", ({ text, steps }) => {
    experiment.chooseOwn(text, steps);
    start.focus();
  });
  app.on("computing", () => experiment.change());
  app.onModel((model) => {
    further.hidden = !model || Boolean(model.training);
    if (!model) return;
    const name = model.about.replace(/, trained on .*/, "");
    further.textContent = model.run ? `Continue ${name} from step ${count(model.updates)}` : `Fine-tune ${model.about}`;
    further.title = model.about;
    if (model.run) app.words.suggest(experiment.promptOf(model.run.corpus) ?? app.words.text);
  });

  // ---- a run -------------------------------------------------------------------------------------------------------

  const newRun = async (given) => {
    const run = await experiment.run(given);
    return { ...run, ladder: ladderOf(run) };
  };
  // The model's own run, which goes on to the bit. The worker has its text, the page only a text of the site's.
  const sameRun = async (model) => ({
    ...model.run,
    config: model,
    about: model.about,
    text: await experiment.siteText(model.run.corpus),
    steps: readNumber(experiment.steps, "Steps"),
    continueFrom: "model",
  });

  let news = {}; // the last of each kind
  let planned = 0; // steps
  let paused = false;
  const show = () => {
    if (news.step === undefined) return;
    const [loss, heldOut] = lossesOf(news);
    const pace = news.stepsPerSecond
      ? ` · ${news.stepsPerSecond.toPrecision(3)} steps per second · ${duration(news.secondsLeft)} left`
      : "";
    const how = paused ? "Paused at step" : "Step";
    status.textContent = `${how} ${count(news.step)} · loss ${loss} · held out ${heldOut}${pace}`;
    done.value = news.done / planned;
  };
  const setPaused = (value) => {
    paused = value;
    pause.textContent = paused ? "Resume" : "Pause";
    show();
  };

  const train = async (given) => {
    const goesOn = Boolean(given?.run);
    app.words.suggest((goesOn ? experiment.promptOf(given.run.corpus) : experiment.prompt) ?? app.words.text);
    if (await experiment.estimate(given)) throw new Error("This cannot be trained here; see above.");
    const run = await (goesOn ? sameRun(given) : newRun(given));
    run.prompt = app.words.within(run.config.contextLength);
    let model = app.model; // comes back into view if the training fails
    status.textContent = "Making the model…";
    done.value = 0;
    pause.disabled = stop.disabled = false;
    [news, planned] = [{ losses: [] }, run.steps];
    setPaused(false);
    if (document.activeElement === document.body) pause.focus({ preventScroll: true });
    app.setModel({ ...run.config, about: run.about, updates: 0, kept: null, run: null, training: true });
    app.tell("run", { ...run, continued: goesOn });
    const progress = (piece) => {
      news = { ...news, ...piece, losses: piece.losses.length ? piece.losses : news.losses };
      show();
      app.tell("news", piece);
    };
    try {
      const result = await app.client.call("train", run, { progress });
      model = result.model;
      await app.readKept();
      const taken = `${count(result.done)} ${goesOn ? "more " : ""}steps`;
      const how = result.stopped ? `Stopped after ${taken}` : `Done: ${taken}`;
      const [loss, heldOut] = lossesOf(news);
      status.textContent = `${how} · loss ${loss} · held out ${heldOut} · ${result.storage}`;
    } finally {
      pause.disabled = stop.disabled = true;
      app.setModel(model);
      app.tell("end");
    }
  };
  start.addEventListener("click", () => app.work(status, () => train(null), true));
  further.addEventListener("click", () => app.work(status, () => train(app.model), true));
  stop.addEventListener("click", () => app.client.control("stop", { of: "train" }));
  pause.addEventListener("click", () => {
    setPaused(!paused);
    app.client.control(paused ? "pause" : "resume", { of: "train" });
  });
  link.addEventListener("click", () => copy(app.address.link(), copied));

  part.replaceChildren(
    experiment.choices(),
    experiment.ownField,
    experiment.expected,
    el("div", { class: "tgp-run" }, el("div", { class: "tgp-buttons" }, start, further, pause, stop), done, status),
    hiddenNote,
    experiment.settings(),
    el("p", { class: "tgp-share" }, link, " ", copied),
  );
  experiment.change();
}

// A hidden tab saves its training and computes in a part of the time. Its title says so meanwhile, and a line afterwards.
function slowWhenHidden(app, isTraining) {
  const line = el("p", { class: "tgp-note", role: "status" });
  const title = document.title;
  const change = () => {
    app.client.control("pace", { share: document.hidden ? HIDDEN_SHARE : 1 });
    const slowed = document.hidden && isTraining();
    document.title = slowed ? `Slower while hidden · ${title}` : title;
    if (!slowed) return;
    app.client.control("keep", { of: "train" });
    line.textContent = "While this tab was hidden, training went on at a quarter of its speed.";
  };
  document.addEventListener("visibilitychange", change);
  app.onEnd(() => document.removeEventListener("visibilitychange", change));
  app.on("run", () => (line.textContent = ""));
  return line;
}
