// Text from a model, token by token: the policy of tinygpt/generation/decoding.py and tinygpt/generation/sampling.py.
//
// When the window is full, its last half is read again and generation goes on. Both implementations must slide the same
// way, or texts differ after T tokens. Equal scores rank by id, so temperature 0 depends on the scores alone.

import { VOCABULARY } from "./layout.js";

const EMPTY_PROMPT = "\n"; // texts begin after a line break

/** A small seeded generator (sfc32): the same seed gives the same numbers in [0, 1). */
export function createRandom(seed) {
  let a = 0x9e3779b9,
    b = 0x243f6a88,
    c = seed >>> 0,
    d = Math.floor(seed / 2 ** 32) ^ 1;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Normal deviates from uniform ones (Box & Muller 1958). */
export function createNormal(random) {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Tokens of a prompt, at least one. */
export function promptTokens(prompt, tokenizer, contextLength) {
  const tokens = tokenizer.encode(prompt || EMPTY_PROMPT);
  if (tokens.length > contextLength) {
    throw new Error(
      `The prompt has ${tokens.length} ${tokenizer.unit}; this model's context has ${contextLength}. ` +
        `Shorten it to at most ${contextLength} ${tokenizer.unit}.`,
    );
  }
  return tokens;
}

/**
 * Draw one token id from logits.
 *
 * @param {Float32Array} logits (V)
 * @param {{temperature: number, topK: number}} settings topK 0 for all
 * @param {() => number} random
 * @param {Float64Array} cumulative (V) to work in
 * @throws {Error} the scores are not finite numbers
 */
function chooseToken(logits, { temperature, topK }, random, cumulative) {
  let best = 0;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    sum += logits[i];
    if (logits[i] > logits[best]) best = i;
  }
  if (!Number.isFinite(sum)) throw new Error("The model's scores are not finite numbers: its weights are unusable.");
  if (temperature === 0 || topK === 1) return best;
  const candidates = topK > 0 && topK < logits.length ? largest(logits, topK) : null;
  const n = candidates ? topK : logits.length;
  let total = 0;
  for (let i = 0; i < n; i++) {
    total += Math.exp((logits[candidates ? candidates[i] : i] - logits[best]) / temperature);
    cumulative[i] = total;
  }
  const point = random() * total;
  let position = 0;
  while (position < n - 1 && cumulative[position] <= point) position += 1;
  return candidates ? candidates[position] : position;
}

// Ids of the k best scores, best first, by insertion: faster than sorting all for the usual k.
function largest(scores, k) {
  const ids = new Uint32Array(k);
  let n = 0;
  for (let i = 0; i < scores.length; i++) {
    if (n === k && scores[i] <= scores[ids[k - 1]]) continue;
    let at = n < k ? n++ : k - 1;
    for (; at > 0 && scores[ids[at - 1]] < scores[i]; at--) ids[at] = ids[at - 1];
    ids[at] = i;
  }
  return ids;
}

/**
 * A text in the making. A model's answers, the logits of the next token, may be promises; so its user asks for them:
 * `begin`, then `choose` and `follow` in turns.
 */
export class Continuation {
  /**
   * @param {Engine} engine
   * @param {ArrayLike<number>} prompt 1 to T tokens
   * @param {{temperature: number, topK: number, seed: number}} settings
   */
  constructor(engine, prompt, settings) {
    this._engine = engine;
    this._prompt = prompt;
    this._settings = settings;
    this._random = createRandom(settings.seed);
    this._cumulative = new Float64Array(engine.config.vocabSize ?? VOCABULARY);
    this._recent = [...prompt];
  }

  /** Read the prompt; returns logits (V). */
  begin() {
    return this._engine.read(this._prompt);
  }

  /** Draw a token id from logits. */
  choose(logits) {
    return chooseToken(logits, this._settings, this._random, this._cumulative);
  }

  /** Read the token that was chosen; returns logits (V). */
  follow(token) {
    const engine = this._engine;
    const room = engine.config.contextLength;
    this._recent.push(token);
    if (this._recent.length > 2 * room) this._recent.splice(0, this._recent.length - room);
    return engine.length < room ? engine.step(token) : engine.read(this._recent.slice(-Math.max(1, room >> 1)));
  }
}

/** The token ids after a prompt, without end, from an engine whose answers are no promises. */
export function* generate(engine, prompt, settings) {
  const text = new Continuation(engine, prompt, settings);
  for (let logits = text.begin(); ; ) {
    const token = text.choose(logits);
    yield token;
    logits = text.follow(token);
  }
}

/** At most `count` tokens after a prompt, until `last` is one of them. */
export async function continued(engine, prompt, settings, count, last = -1) {
  const text = new Continuation(engine, prompt, settings);
  const tokens = [];
  for (let logits = await text.begin(); ; ) {
    const token = text.choose(logits);
    tokens.push(token);
    if (tokens.length === count || token === last) return tokens;
    logits = await text.follow(token);
  }
}
