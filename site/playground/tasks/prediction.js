// Look inside the model: what it expects next, and where its heads look.

import { promptTokens } from "../generate.js";
import { requireModel, theReader } from "./model.js";

const PROBABLE = 8; // next tokens listed per position

// The softmax of scores.
function shares(logits) {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (score) => Math.exp(score - top));
  const total = weights.reduce((a, b) => a + b);
  return Float32Array.from(weights, (weight) => weight / total);
}

/**
 * The probabilities (V) of the next token after ids, of which the last T count, and the attention (L, H, T, T) in them.
 *
 * @throws {Error} there are no ids
 */
export async function predict({ ids }) {
  const engine = await theReader();
  const { nLayers, nHeads, contextLength } = engine.config;
  const tokens = Uint32Array.from(ids).slice(-contextLength);
  if (!tokens.length) throw new Error("There is no token to predict from: write at least one letter.");
  const { logits, attention } = await engine.look(tokens);
  const probabilities = shares(logits.subarray(-logits.length / tokens.length));
  return { probabilities, attention, nLayers, nHeads, length: tokens.length };
}

/** The likeliest tokens after each position of a prompt, and the attention (T, T) of one head. */
export async function inspect({ prompt, layer, head }) {
  const engine = await theReader();
  const { tokenizer } = requireModel();
  const tokens = promptTokens(prompt, tokenizer, engine.config.contextLength);
  const t = tokens.length;
  const { logits, attention } = await engine.look(tokens);
  const v = logits.length / t;
  const named = ({ token, probability }) => ({ piece: tokenizer.piece(token), probability });
  const positions = Array.from(tokens, (token, i) => {
    const chances = shares(logits.subarray(i * v, (i + 1) * v));
    const ranked = Array.from(chances, (probability, id) => ({ token: id, probability }));
    ranked.sort((a, b) => b.probability - a.probability || a.token - b.token);
    const rank = i + 1 < t ? ranked.findIndex(({ token: id }) => id === tokens[i + 1]) : -1;
    const next = rank < 0 ? null : { ...named(ranked[rank]), rank: rank + 1 };
    return { piece: tokenizer.piece(token), likely: ranked.slice(0, PROBABLE).map(named), next };
  });
  const from = (layer * engine.config.nHeads + head) * t * t;
  return { positions, attention: attention.slice(from, from + t * t) };
}
