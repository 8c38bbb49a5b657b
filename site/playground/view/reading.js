// What a loss curve says, in words, and the losses of models that only count, which give it a scale.

import { partsOf } from "../corpus.js";
import { BYTES } from "../tokenizer.js";

const MARKED = 0.02; // nats; a smaller change of the loss is not mentioned, and
const RISEN = 0.05; // a smaller rise is noise
const SOLVED = 0.9; // share of right answers
const NEAR = 20; // a curve's value at a moment is the mean of its last steps, one of so many
const LADDER_BYTES = 1_000_000; // of a text, at most, to count
const JUDGED_BYTES = 30_000;

/** What a loss of a model that has learned nothing is: all 256 bytes alike. */
export const NOTHING_LEARNED = Math.log(256);

/**
 * Read a loss curve.
 *
 * @param {[number, number][]} train time and loss of each step
 * @param {[number, number][]} heldOut time and loss of each evaluation
 * @param {{name: string, loss: number}[]} ladder losses to compare with, the highest first
 * @returns {{state: string, words: string}} state: "nothing", "falling", "flat", "rising" or "memorizing"
 */
export function readCurve(train, heldOut, ladder) {
  if (heldOut.length < 2) {
    const words =
      `A model that has learned nothing takes all 256 bytes for equally likely: its loss is ` +
      `${NOTHING_LEARNED.toFixed(2)}. Training makes the curve fall.`;
    return { state: "nothing", words };
  }
  const [now, loss] = heldOut.at(-1);
  const best = heldOut.reduce((a, b) => (b[1] < a[1] ? b : a));
  const third = heldOut.findLast(([time]) => time <= (2 / 3) * now) ?? heldOut[0];
  const choices = Math.exp(loss);
  const beaten = ladder.filter((rung) => loss < rung.loss).at(-1);
  const scale =
    `The held-out loss is ${loss.toFixed(2)}: the model is as unsure as in a choice among ` +
    `${choices.toFixed(choices < 10 ? 1 : 0)} equally likely characters` +
    (beaten ? `, and better than ${beaten.words}. ` : ". ");
  const trend = trendOf(train, best, third, loss);
  return { state: trend, words: scale + TRENDS[trend] };
}

/** Read the share of a toy task's held-out questions that are answered right, as `readCurve` reads a loss. */
export function readScore(score) {
  const right = `${Math.round(100 * score)} % of the answers to held-out questions are right`;
  const words =
    (score >= SOLVED ? `Solved: ${right}. ` : `${right}. The curve may look flat before a task is solved. `) +
    "What is random in a question cannot be predicted, so the loss does not fall to 0.";
  return { state: score >= SOLVED ? "falling" : "flat", words };
}

const TRENDS = {
  memorizing:
    "It rises while the training loss falls: the model is learning its text by heart, and gets worse on new text.",
  rising: "It rises, and so does the training loss: try a smaller learning rate.",
  falling: "The curve still falls: more steps will help.",
  flat: "The curve is nearly flat: more steps will help little. A larger size can go lower.",
};

function trendOf(train, best, third, loss) {
  const near = Math.ceil(train.length / NEAR);
  const at = (time) => {
    const some = train.filter(([when]) => when <= time).slice(-near);
    return some.reduce((sum, [, value]) => sum + value, 0) / some.length;
  };
  if (loss > best[1] + RISEN) return at(Infinity) < at(best[0]) - MARKED ? "memorizing" : "rising";
  return loss < third[1] - MARKED ? "falling" : "flat";
}

const RUNGS = [
  ["letters", "a model that knows how often each character occurs"],
  ["pairs", "one that knows which character follows which"],
  ["triples", "one that counts what follows every two characters"],
];

/**
 * Losses of counting models on a held-out text, nats per byte: each knows one more byte before the next one.
 *
 * They mix longer contexts with shorter ones as Witten and Bell (1991) do: a context that has been followed by d
 * different bytes trusts the shorter context as much as d of its own counts.
 */
export function countingLadder(train, heldOut) {
  const known = train.subarray(0, LADDER_BYTES);
  const judged = heldOut.subarray(0, JUDGED_BYTES);
  const tables = RUNGS.map((_, order) => countFollowers(known, order));
  const losses = RUNGS.map(() => 0);
  const from = RUNGS.length - 1;
  for (let i = from; i < judged.length; i++) {
    let p = 1 / 256;
    for (const [order, table] of tables.entries()) {
      const followers = table.get(contextOf(judged, i, order));
      if (followers) p = ((followers.get(judged[i]) ?? 0) + followers.size * p) / (followers.total + followers.size);
      losses[order] -= Math.log(p);
    }
  }
  return RUNGS.map(([name, words], order) => ({ name, words, loss: losses[order] / (judged.length - from) }));
}

/** The ladder of a run's text; none of a text that is too short to hold a part out. */
export function ladderOf(run) {
  try {
    const { train, heldOut } = partsOf(run, run.config.contextLength, BYTES);
    return countingLadder(train, heldOut);
  } catch {
    return [];
  }
}

const contextOf = (bytes, i, order) => (order > 0 ? bytes[i - 1] : 0) + (order > 1 ? 256 * bytes[i - 2] : 0);

// Context → how often each byte followed it.
function countFollowers(bytes, order) {
  const table = new Map();
  for (let i = order; i < bytes.length; i++) {
    const context = contextOf(bytes, i, order);
    let followers = table.get(context);
    if (!followers) {
      followers = new Map();
      followers.total = 0;
      table.set(context, followers);
    }
    followers.set(bytes[i], (followers.get(bytes[i]) ?? 0) + 1);
    followers.total += 1;
  }
  return table;
}
