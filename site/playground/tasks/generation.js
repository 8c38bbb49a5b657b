// Write a text, and stream it to the page.

import { Continuation, promptTokens } from "../generate.js";
import { requireModel, theReader } from "./model.js";

const FLUSH_MS = 16; // between messages with generated tokens

/** Continue a prompt by `count` tokens. */
export async function write({ prompt, count, temperature, topK, seed }, task) {
  const begun = performance.now();
  const engine = await theReader();
  const { tokenizer } = requireModel();
  const read = promptTokens(prompt, tokenizer, engine.config.contextLength);
  const text = new Continuation(engine, read, { temperature, topK, seed });
  let firstTokenMs = 0;
  let n = 0;
  let flushed = performance.now();
  const fresh = [];
  const rate = () => (n > 1 ? ((n - 1) * 1000) / (performance.now() - begun - firstTokenMs) : 0);
  const flush = () => task.post({ bytes: Uint8Array.from(fresh.splice(0)), n, firstTokenMs, tokensPerSecond: rate() });
  for (let logits = await text.begin(); ; ) {
    const token = text.choose(logits);
    n += 1;
    fresh.push(...tokenizer.piece(token));
    if (n === 1) firstTokenMs = performance.now() - begun;
    if (n === 1 || performance.now() - flushed >= FLUSH_MS) {
      if (task.followed) flush();
      await task.turn();
      flushed = performance.now();
    }
    if (n === count || task.stopped) break;
    logits = text.follow(token);
    if (logits instanceof Promise) logits = await logits;
  }
  const tokensPerSecond = rate();
  if (fresh.length) flush();
  return { n, firstTokenMs, tokensPerSecond, stopped: n < count };
}
