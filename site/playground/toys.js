// Toy tasks: texts of which every line is a question and its answer, so that a model's success can be counted.
//
// Lines are drawn from a seed, and have one length. Windows of a batch begin with a line: a token's place in the window
// then says what it is. No question of the held-out part is in the part to train on.

import { createRandom } from "./generate.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const CLOSES = { "(": ")", "[": "]" };
const OPENING = Object.keys(CLOSES);
const LINES = { train: 8000, heldOut: 400 };
const HELD_OUT_SHARE = 8; // one of so many questions

const word = (random, alphabet, n) =>
  Array.from({ length: n }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");

// A question of letters, and a rule that makes its answer.
const ofLetters = (n, rule) => ({
  asked: n + 1,
  line: (random) => {
    const letters = word(random, LETTERS, n);
    return `${letters}>${rule(letters)}`;
  },
  isRight: (line) => {
    const [letters, answer, ...rest] = line.split(">");
    return !rest.length && letters.length === n && answer === rule(letters);
  },
});

const reversed = (text) => [...text].reverse().join("");

// Three digits: of two there are too few questions to learn the held-out ones from the others.
const sum = {
  asked: 6,
  line: (random) => {
    const [a, b, c] = word(random, DIGITS, 3);
    return `${a}+${b}+${c}=${String(Number(a) + Number(b) + Number(c)).padStart(2, "0")}`;
  },
  isRight: (line) => {
    const [, a, b, c, answer] = line.match(/^(\d)\+(\d)\+(\d)=(\d\d)$/) ?? [];
    return a !== undefined && Number(a) + Number(b) + Number(c) === Number(answer);
  },
};

// A balanced text of 2 n brackets: at each place one that opens, or the one that closes the last.
const balanced = (n) => ({
  asked: n + 1,
  line: (random) => {
    const open = [];
    let text = "";
    for (let left = 2 * n; left > 0; left--) {
      const opens = !open.length || (open.length < left && random() < 0.5);
      if (opens) open.push(OPENING[Math.floor(random() * OPENING.length)]);
      text += opens ? open.at(-1) : CLOSES[open.pop()];
    }
    return text;
  },
  isRight: (line) => {
    const open = [];
    for (const bracket of line) {
      if (Object.hasOwn(CLOSES, bracket)) open.push(bracket);
      else if (!open.length || CLOSES[open.pop()] !== bracket) return false;
    }
    return line.length === 2 * n && !open.length;
  },
});

// FNV-1a, one of the shortest hashes.
function isHeldOut(question) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < question.length; i++) hash = Math.imul(hash ^ question.charCodeAt(i), 0x01000193);
  return (hash >>> 8) % HELD_OUT_SHARE === 0;
}

// Every toy task is learned with them at `tiny`, nine answers of ten in less than 700 steps.
const SETTINGS = { steps: 1000, learningRate: 3e-3 };

class Toy {
  constructor(title, { asked, line, isRight }) {
    Object.assign(this, { title, asked, isRight, settings: SETTINGS });
    this._line = line;
    this.length = line(createRandom(0)).length + 1; // bytes of a line with its break
  }

  /** Texts to train on and to hold out, the same ones for a seed. */
  parts(seed) {
    const random = createRandom(seed);
    const lines = { train: [], heldOut: [] };
    for (const [part, list] of Object.entries(lines)) {
      while (list.length < LINES[part]) {
        const line = this._line(random);
        if (isHeldOut(line.slice(0, this.asked)) === (part === "heldOut")) list.push(line);
      }
    }
    const bytes = (list) => new TextEncoder().encode(`${list.join("\n")}\n`);
    return { train: bytes(lines.train), heldOut: bytes(lines.heldOut) };
  }

  /** At most n questions of a text, each once. */
  questions(text, n) {
    const lines = new TextDecoder().decode(text).trimEnd().split("\n");
    return [...new Set(lines.map((line) => line.slice(0, this.asked)))].slice(0, n);
  }

  /** Share of a text's whole lines that are right, 0 to 1. */
  score(text) {
    const lines = text.split("\n").slice(0, -1);
    return lines.length ? lines.filter(this.isRight).length / lines.length : 0;
  }
}

/** Name → toy task. */
export const TOYS = {
  copy: new Toy("Copy a word", ofLetters(4, (letters) => letters)),
  reverse: new Toy("Write a word backwards", ofLetters(4, reversed)),
  add: new Toy("Add three digits", sum),
  brackets: new Toy("Close the brackets", balanced(4)),
};
