// Text ↔ token ids: one token per byte, or byte-level BPE of a tokenizer.json. Twin of tinygpt/tokenizers/plain_bpe.py.
//
// A text is cut into words by GPT-2's pattern. In a word, of all neighbours the pair that was merged first in training is
// merged, the leftmost one; again and again. Every token is a string of bytes, so that a text is the bytes of its ids.

import { VOCABULARY } from "./layout.js";

/** A tokenizer.json that cannot be used; the message is for readers. */
class TokenizerError extends Error {}

// Unicode's White_Space, which \s of JavaScript is not.
const WHITE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORD = new RegExp(
  `'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^${WHITE}\\p{L}\\p{N}]+|[${WHITE}]+(?![^${WHITE}])|[${WHITE}]+`,
  "gu",
);
const CACHED_WORDS = 20_000;

// The letter of each byte in a tokenizer.json: printable ones their own in Latin-1, the others U+0100 and following.
const LETTERS = (() => {
  const isPrinted = (byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrinted(byte) ? byte : 0x100 + others++));
})();
const BYTE_OF = new Map(LETTERS.map((letter, byte) => [letter, byte]));

/** The tokenizer of bytes: ids are their values. Lone surrogates become U+FFFD, as everywhere in a browser. */
export const BYTES = {
  unit: "bytes",
  vocabSize: VOCABULARY,
  text: null,
  encode: (text) => new TextEncoder().encode(text),
  piece: (token) => Uint8Array.of(token),
};

/** The merges of a tokenizer.json. */
class Merges {
  constructor(text, vocab, merges) {
    this.unit = "tokens";
    this.text = text;
    this.pieces = [];
    for (const [letters, token] of vocab) {
      this.pieces[token] = Uint8Array.from(letters, (letter) => BYTE_OF.get(letter));
    }
    this.vocabSize = this.pieces.length;
    this.ofByte = LETTERS.map((letter) => vocab.get(letter));
    this.merged = new Map(); // two ids → [rank, id]
    for (const [rank, merge] of merges.entries()) {
      const [left, right] = typeof merge === "string" ? merge.split(" ") : merge;
      const ids = [left, right, left + right].map((letters) => vocab.get(letters));
      if (ids.includes(undefined)) throw new TokenizerError("tokenizer.json merges tokens that it does not have.");
      this.merged.set(this._key(ids[0], ids[1]), [rank, ids[2]]);
    }
    this.cache = new Map(); // word → ids
  }

  piece(token) {
    return this.pieces[token];
  }

  encode(text) {
    const ids = [];
    for (const [word] of text.matchAll(WORD)) {
      let found = this.cache.get(word);
      if (!found) {
        found = this._merge(word);
        if (this.cache.size < CACHED_WORDS) this.cache.set(word, found);
      }
      for (const token of found) ids.push(token);
    }
    return Uint32Array.from(ids);
  }

  _key(left, right) {
    return left * 2 ** 20 + right;
  }

  _merge(word) {
    const ids = Array.from(new TextEncoder().encode(word), (byte) => this.ofByte[byte]);
    while (true) {
      let best = null;
      let place = -1;
      for (let i = 0; i + 1 < ids.length; i++) {
        const found = this.merged.get(this._key(ids[i], ids[i + 1]));
        if (found && (best === null || found[0] < best[0])) [best, place] = [found, i];
      }
      if (best === null) return ids;
      ids.splice(place, 2, best[1]);
    }
  }
}

/**
 * Read the tokenizer of a model.
 *
 * @param {string | null} text a tokenizer.json; without one, tokens are bytes
 * @param {number} vocabSize of the weights
 * @throws {TokenizerError} it is no byte-level BPE as TinyGPT trains it, or has another number of tokens
 */
export function readTokenizer(text, vocabSize) {
  const tokenizer = text === null ? BYTES : parse(text);
  if (tokenizer.vocabSize !== vocabSize) {
    const own = `tokenizer.json has ${tokenizer.vocabSize} tokens`;
    const found = text === null ? "Without a tokenizer.json, tokens are the 256 bytes" : own;
    throw new TokenizerError(`${found}; config.json has a vocab_size of ${vocabSize}.`);
  }
  return tokenizer;
}

function parse(text) {
  let content = null;
  try {
    content = JSON.parse(text);
  } catch {
    throw new TokenizerError("tokenizer.json is not JSON.");
  }
  const { model, pre_tokenizer: cut, normalizer, added_tokens: added } = content ?? {};
  const merges = model?.merges;
  if (model?.type !== "BPE" || !model.vocab || !Array.isArray(merges) || normalizer || added?.length) {
    throw new TokenizerError("tokenizer.json is no byte-level BPE without further steps; this page reads no other.");
  }
  const vocab = new Map(Object.entries(model.vocab));
  const ids = new Set(vocab.values());
  const whole = [...ids].every((id) => Number.isSafeInteger(id) && id >= 0 && id < vocab.size);
  const known = [...vocab.keys()].every((letters) => [...letters].every((letter) => BYTE_OF.has(letter)));
  if (!whole || !known || ids.size !== vocab.size || !LETTERS.every((letter) => vocab.has(letter))) {
    throw new TokenizerError("tokenizer.json has a damaged vocabulary.");
  }
  if (vocab.size === VOCABULARY && LETTERS.every((letter, byte) => vocab.get(letter) === byte)) return BYTES;
  const odd = model.dropout || model.continuing_subword_prefix || model.end_of_word_suffix || model.ignore_merges;
  if (odd || cut?.type !== "ByteLevel" || cut.add_prefix_space || cut.use_regex === false) {
    throw new TokenizerError("tokenizer.json cuts or merges words in a way that this page does not know.");
  }
  return new Merges(text, vocab, merges);
}

/** The text of token ids; bytes that are not UTF-8 become U+FFFD. */
export const textOf = (tokens, tokenizer) =>
  new TextDecoder().decode(Uint8Array.from(Array.from(tokens).flatMap((token) => [...tokenizer.piece(token)])));
