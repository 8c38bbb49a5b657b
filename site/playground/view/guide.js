// A first visit's guide: one idea at a time, each with something to do. It remembers where the reader is, and a wish to
// close it.

import { button, el } from "../dom.js";
import { explained } from "./explain.js";

const PLACE = "tinygpt-playground-guide"; // in the browser's storage
const CLOSED = "closed";
const LONG_LINE =
  "The name of the little bear was Olly. He lived near a river, and each morning he went there to look for fish. " +
  "One day he met a fox, and the fox asked for his name. The bear said: My name is";
// A text so short that even the smallest model learns it by heart.
const SHORT_TEXT = `Every morning Ada walked to the harbour before the shops were open. She counted the boats,
wrote the number in a small red book, and bought a warm roll from the baker's cart. On Tuesday there were
eleven boats and no wind.  The baker said that rain was on its way, and gave her a second roll for nothing. By
noon the sky had turned the colour of slate. A boy on a bicycle brought a letter from the island; it was wet,
and half of its words had run into each other. Ada could read a name, a date, and the word for bridge. She put
the letter between two pages of the book and pressed it flat.  That evening her brother asked what the islanders
wanted with a bridge, when all of them had boats. Perhaps, said Ada, they are tired of counting the weather. He
laughed and lit the lamp. In the night the storm took the roof from the old customs house and laid it, almost
whole, across the mouth of the river. Children crossed it before breakfast. The mayor arrived with a ribbon and
a pair of scissors, looked at the roof for a long time, and declared it open. Ada wrote in her book: nine boats,
one bridge. Then she turned the page and drew a line under the whole year.
`;

const TOKENS = {
  bytes: "This model reads and writes one byte at a time, and each of them is a token: a letter, a space, a comma. ",
  tokens: "This model reads and writes one piece of a word at a time, and each of them is a token: often several letters. ",
};

// Each step: an idea in two sentences, the page that explains it, something to do, what tells that it is done, and what
// tells that the reader has begun it unasked.
const STEPS = [
  {
    title: "What is a token?",
    words: (app) =>
      TOKENS[app.model?.unit ?? "bytes"] +
      "From the tokens so far it gives every possible next one a probability, and that is all it does.",
    topic: "byte",
    todo: "Type into Your words, and watch the bars of the next character.",
    button: "Go there",
    act: (app) => app.words.control.focus(),
    done: "typed",
  },
  {
    title: "What is a loss?",
    words: () =>
      "The loss is the model's mean surprise at the true next character: 0 for one that is always sure and right. " +
      "Each step of training changes all weights a little, so that the same text would surprise it less.",
    topic: "loss",
    todo: "Press Train. As the curve falls, noise turns into words; the line below the curve says what it means.",
    button: "Go there",
    act: () => document.querySelector("[data-playground=train] .tgp-main").focus(),
    begins: "run",
    done: "end",
  },
  {
    title: "Why is a part held out?",
    words: () =>
      "A model can get its loss down by learning its text by heart. " +
      "So the last tenth is never trained on: if the loss there rises while the other falls, the model only remembers.",
    topic: "overfitting",
    todo: "Train the smallest model on one short paragraph, until the two curves part.",
    button: "Set it up",
    act: (app) => app.tell("try", { text: SHORT_TEXT, steps: 1000 }),
    begins: "memorizing",
    done: "memorizing",
  },
  {
    title: "Why does it forget the beginning?",
    words: () =>
      "The model sees only the last tokens, as many as its context has places: a line or two at these sizes. " +
      "What is further back does not exist for it, so a long story loses its hero.",
    topic: "context",
    todo: "Look at a line that is longer: the picture of attention says how much is gone.",
    button: "Show me",
    act: (app) => {
      app.words.text = LONG_LINE;
      app.words.control.focus();
    },
    done: "lost",
  },
];

function remembered() {
  try {
    return localStorage.getItem(PLACE);
  } catch {
    return null; // storage is forbidden
  }
}

function remember(place) {
  try {
    localStorage.setItem(PLACE, place);
  } catch {
    // The guide begins anew at the next visit.
  }
}

/** Fill the part's element. */
export function guidePart(part, app) {
  const open = button("Guide", {}, "tgp-quiet");
  const number = el("p", { class: "tgp-caption" });
  const title = el("h2", {});
  const words = el("p", {});
  const todo = el("p", { class: "tgp-todo", role: "status" });
  const act = button("");
  const back = button("Back");
  const next = button("Next");
  const close = button("Close", {}, "tgp-quiet");
  const last = STEPS.length - 1;
  let at = 0;
  const heard = new Set(); // of what tells that steps are done

  const say = () => words.replaceChildren(STEPS[at].words(app), " ", explained(STEPS[at].topic, "More on this"));
  const show = (step) => {
    at = step;
    const { title: name, todo: task, button: label, done } = STEPS[at];
    number.textContent = `Guide, ${at + 1} of ${STEPS.length}`;
    title.textContent = name;
    say();
    todo.replaceChildren(...(heard.has(done) ? [el("b", {}, "Done. ")] : []), task);
    act.textContent = label;
    back.disabled = at === 0;
    next.textContent = at === last ? "Done" : "Next";
    next.classList.toggle("tgp-main", heard.has(done));
    part.hidden = false;
    open.hidden = true;
    remember(String(at));
  };
  const shut = () => {
    part.hidden = true;
    open.hidden = false;
    remember(CLOSED);
  };
  const hear = (topic) => {
    const isNew = !heard.has(topic);
    const goesOn = STEPS[at + 1]?.begins === topic;
    heard.add(topic);
    if (!part.hidden && (isNew || goesOn)) show(goesOn ? at + 1 : at);
  };
  for (const topic of ["typed", "run", "end", "lost"]) app.on(topic, () => hear(topic));
  app.on("read", hear);
  app.on("model", say);
  act.addEventListener("click", () => {
    STEPS[at].act(app);
  });
  back.addEventListener("click", () => show(at - 1));
  next.addEventListener("click", () => (at === last ? shut() : show(at + 1)));
  close.addEventListener("click", () => {
    shut();
    open.focus();
  });
  open.addEventListener("click", () => {
    show(0);
    act.focus();
  });

  const place = remembered();
  part.replaceChildren(number, close, title, words, todo, el("p", { class: "tgp-buttons" }, act, back, next));
  app.line.append(open);
  if (place === CLOSED) shut();
  else show(STEPS[Number(place)] ? Number(place) : 0);
}
