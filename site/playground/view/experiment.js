// An experiment: a text, a size and settings as controls that the address follows, what they stand for, and an estimate
// of what its training takes.

import { count, duration, el, field, fold, megabytes, menu, numberInput, readNumber, statusLine } from "../dom.js";
import { fetchText } from "../models.js";
import { settingsOf } from "../schedule.js";
import { TOYS } from "../toys.js";
import { BACKENDS } from "./computing.js";
import { explained } from "./explain.js";

const OWN_TEXT = "own";
const LONGEST_OWN = 5_000_000; // characters
const FIRST_SIZE = "tiny"; // writes words within a minute of WebAssembly; larger ones need several
const TOY_SIZE = "tiny";
const TEXT_SETTINGS = { steps: 6000, learningRate: 0.006 };
const EASY = ["tiny", "small", "medium"]; // presets that a tab trains in minutes
const PATIENCE_SECONDS = 600;
const LIMIT_BYTES = 2 ** 31;
const IDENTITY = ["text", "size", "rate", "seed"]; // entries of the address that make an experiment another one

function textMenu(corpora) {
  const group = (label, choices) =>
    el("optgroup", { label }, ...choices.map(([value, text]) => el("option", { value }, text)));
  const toys = Object.entries(TOYS).map(([name, { title }]) => [name, title.toLowerCase()]);
  return el(
    "select",
    {},
    group("Texts", corpora.map(({ name, title }) => [name, title])),
    group("Toy tasks, learned in seconds", toys),
    group("Yours", [[OWN_TEXT, "my own text"]]),
  );
}

// The estimate of a training as sentences; `bad` if this device cannot do it.
function outlook({ bytes, secondsPerStep, warning }, steps, easy, backend) {
  const seconds = steps * secondsPerStep;
  const memory = navigator.deviceMemory ? Math.min(LIMIT_BYTES, navigator.deviceMemory * 2 ** 29) : LIMIT_BYTES;
  if (bytes > memory) {
    return {
      bad: true,
      text: `This needs ${megabytes(bytes)} of memory, more than this device gives a tab. Choose a smaller size.`,
    };
  }
  const pace = secondsPerStep === null ? "" : `about ${duration(secondsPerStep)} a step, ${duration(seconds)} in all, `;
  const sentences = [
    `With ${backend}: ${pace}${megabytes(bytes)} of memory.`,
    easy || !pace ? "" : "This model is large for a browser tab.",
    seconds > PATIENCE_SECONDS ? "That is long for a browser tab: try fewer steps or a smaller size." : "",
    warning,
  ];
  return { bad: false, text: sentences.filter(Boolean).join(" ") };
}

const sameShape = (one, other) =>
  ["nLayers", "dModel", "contextLength"].every((dimension) => one[dimension] === other[dimension]);

/** The chosen experiment. */
export class Experiment {
  constructor(app) {
    const { presets, corpora } = app.index;
    this._app = app;
    this.size = menu(presets.map(({ name, parameters }) => [name, `${name}, ${count(parameters)} parameters`]));
    this.corpus = textMenu(corpora);
    this.own = el("textarea", {
      rows: 5, spellcheck: "false", maxlength: LONGEST_OWN, placeholder: "Paste a text here. It stays on this device.",
    });
    this.steps = numberInput(TEXT_SETTINGS.steps, 1, 1_000_000);
    this.rate = numberInput(TEXT_SETTINGS.learningRate, 0.000001, 1, "any");
    this.seed = numberInput(0, 0, 2 ** 32 - 1);
    this.expected = statusLine();
    this.ownField = field("Your text", this.own);
    this.idle = () => true; // estimates are made then only
    this._latest = 0; // estimate

    this.size.value = FIRST_SIZE;
    app.address.bind("text", this.corpus);
    if (this._toy) this._take(this._toy.settings); // a link to a toy task begins with the task's own settings
    for (const name of ["size", "steps", "rate", "seed"]) app.address.bind(name, this[name]);
    this._wasToy = Boolean(this._toy);
    this.corpus.addEventListener("change", () => this._chooseText());
    for (const control of [this.size, this.corpus, this.steps, this.own]) {
      control.addEventListener("change", () => this.change());
    }
  }

  get _toy() {
    return TOYS[this.corpus.value];
  }

  _take({ steps, learningRate }) {
    [this.steps.value, this.rate.value] = [steps, learningRate];
    if (this._toy) this.size.value = TOY_SIZE;
  }

  _chooseText() {
    if (this._toy || this._wasToy) this._take(this._toy?.settings ?? TEXT_SETTINGS);
    if (this._toy) this._app.words.suggest(this.prompt);
    this._wasToy = Boolean(this._toy);
    this._app.address.write();
  }

  /** Choose a text of one's own and the smallest size, as the guide does. */
  chooseOwn(text, steps) {
    [this.corpus.value, this.own.value, this.size.value] = [OWN_TEXT, text, TOY_SIZE];
    this._chooseText();
    this.steps.value = steps;
    this.change();
  }

  // ---- what is chosen ----------------------------------------------------------------------------------------------

  _entry(name) {
    return this._app.index.corpora.find((entry) => entry.name === name);
  }

  /** The prompt of a text, or nothing. */
  promptOf(name) {
    const toy = TOYS[name];
    return toy ? toy.questions(toy.parts(0).heldOut, 1)[0] : this._entry(name)?.prompt;
  }

  get prompt() {
    return this.promptOf(this.corpus.value);
  }

  /** The bytes of one of the site's texts; none of another, which the worker has. */
  async siteText(name) {
    return this._entry(name) ? fetchText(this._app, this._entry(name)) : new Uint8Array();
  }

  async _text() {
    const name = this.corpus.value;
    if (name !== OWN_TEXT) return this.siteText(name);
    if (!this.own.value.trim()) throw new Error("The text is empty. Paste some, or choose another.");
    return new TextEncoder().encode(this.own.value);
  }

  // The model to train, and its batch: of the chosen size, or a given model.
  _shape(given) {
    const { presets } = this._app.index;
    const preset = presets.find(given ? (one) => sameShape(one, given) : ({ name }) => name === this.size.value);
    return {
      config: given ?? { ...preset, eps: 1e-5 },
      batchSize: preset?.batchSize ?? (given.contextLength > 128 ? 4 : 16),
      easy: preset ? EASY.includes(preset.name) : given.parameters <= presets[EASY.length - 1].parameters,
    };
  }

  /** The message that trains it, from random weights or those of a given model. */
  async run(given) {
    const name = this.corpus.value;
    const steps = readNumber(this.steps, "Steps");
    const { config, batchSize } = this._shape(given);
    const title = given?.about.replace(/, trained on .*/, "") ?? this.size.value;
    const of = this._toy?.title.toLowerCase() ?? this._entry(name)?.title ?? "your text";
    return {
      config,
      batchSize,
      steps,
      from: given ? "loaded" : "scratch",
      text: await this._text(),
      toy: this._toy ? name : "",
      corpus: name,
      about: `${title}, trained on ${of}`,
      seed: readNumber(this.seed, "Seed"),
      ...settingsOf({ steps, learningRate: readNumber(this.rate, "Learning rate") }),
    };
  }

  /** True if a training in the browser's storage is this one; of an address that chooses nothing, each is. */
  describes({ run, ...shape }) {
    if (!this._app.address.asks(IDENTITY)) return true;
    const [seed, rate] = [this.seed, this.rate].map(({ value }) => Number(value));
    const same = run.corpus === this.corpus.value && run.seed === seed && run.settings.learningRate === rate;
    return same && sameShape(this._shape().config, shape);
  }

  // ---- the estimate ------------------------------------------------------------------------------------------------

  /** Show what the training takes, and only the newest answer; returns true if this device cannot do it. */
  async estimate(given = null) {
    const turn = ++this._latest;
    const { config, batchSize, easy } = this._shape(given);
    const nBytes = this._entry(this.corpus.value)?.bytes ?? new TextEncoder().encode(this.own.value).length;
    const unknown = this._toy || (this.corpus.value === OWN_TEXT && !this.own.value.trim()); // no text to warn of
    try {
      const message = { config, batchSize, nBytes: unknown ? Infinity : Math.floor(nBytes * 0.9) };
      const answer = await this._app.client.call("estimate", message);
      if (turn !== this._latest) return false;
      const { bad, text } = outlook(answer, Number(this.steps.value) || 0, easy, BACKENDS[this._app.kernels]);
      this.expected.classList.toggle("tgp-bad", bad);
      this.expected.textContent = text;
      return bad;
    } catch (error) {
      this.expected.textContent = error.message;
      return true;
    }
  }

  /** Follow a change of the controls. */
  change() {
    this.ownField.hidden = this.corpus.value !== OWN_TEXT;
    if (this.idle()) this.estimate();
  }

  // ---- controls ----------------------------------------------------------------------------------------------------

  /** The controls that are always seen. */
  choices() {
    return el("div", { class: "tgp-toolbar" }, field("Text", this.corpus), field("Size", this.size));
  }

  /** The others, folded. */
  settings() {
    return fold(
      "Settings",
      el(
        "div",
        { class: "tgp-fields" },
        field("Steps", this.steps),
        field("Learning rate", this.rate, "the highest: it rises at the start and falls to a tenth at the end"),
        field("Seed", this.seed, "the same seed gives the same run"),
      ),
      el("p", { class: "tgp-note" }, "The rate is about the size of a step of ", explained("update", "AdamW"), "."),
    );
  }
}
