// Look inside the model: what it expects next, and where its heads look.

import { requireModel, theReader } from "./model.js";

const PROBABLE = 8; // next tokens listed
const EMPTY = "\n"; // texts begin after a line break

// The softmax of scores.
function shares(logits) {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (score) => Math.exp(score - top));
  const total = weights.reduce((a, b) => a + b);
  return Float32Array.from(weights, (weight) => weight / total);
}

/**
 * What the model expects after a text, of which its last T tokens count, and where its heads look in them.
 *
 * @returns {object} probabilities (V) of the next token, and the likeliest of them with their pieces; pieces of the T
 *   tokens; how many before them are lost; attention (L, H, T, T)
 */
export async function predict({ text }) {
  const engine = await theReader();
  const { tokenizer } = requireModel();
  const { nLayers, nHeads, contextLength } = engine.config;
  const all = tokenizer.encode(text || EMPTY);
  const tokens = all.slice(-contextLength);
  const { length } = tokens;
  const { logits, attention } = await engine.look(tokens);
  const probabilities = shares(logits);
  const ids = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const likely = ids.slice(0, PROBABLE).map((id) => ({ piece: tokenizer.piece(id), probability: probabilities[id] }));
  const pieces = Array.from(tokens, (token) => tokenizer.piece(token));
  return { probabilities, likely, pieces, lost: all.length - length, attention, nLayers, nHeads, length };
}
