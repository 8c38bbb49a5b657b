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

// Each step: an idea in two sentences, the page that explains it, something to do, and the topic that tells that it is done.
const STEPS = [
  {
    title: "What is a token?",
    words:
      "This model reads and writes one byte at a time, and each of them is a token: a letter, a space, a comma. " +
      "From the tokens so far it gives every possible next one a probability, and that is all it does.",
    topic: "byte",
    todo: "Type into Your words, and watch the bars of the next character.",
    button: "Go there",
    act: (app) => app.words.control.focus(),
    done: "typed",
  },
  {
    title: "What is a loss?",
    words:
      "The loss is the model's mean surprise at the true next character: 0 for one that is always sure and right. " +
      "Each step of training changes all weights a little, so that the same text would surprise it less.",
    topic: "loss",
    todo: "Press Train. As the curve falls, noise turns into words; the line below the curve says what it means.",
    button: "Go there",
    act: () => document.querySelector("[data-playground=train] .tgp-main").focus(),
    done: "end",
  },
  {
    title: "Why is a part held out?",
    words:
      "A model can get its loss down by learning its text by heart. " +
      "So the last tenth is never trained on: if the loss there rises while the other falls, the model only remembers.",
    topic: "overfitting",
    todo: "Train the smallest model on one short paragraph, until the two curves part.",
    button: "Set it up",
    act: (app) => app.tell("try", { text: SHORT_TEXT, steps: 1000 }),
    done: "run",
  },
  {
    title: "Why does it forget the beginning?",
    words:
      "The model sees only the last tokens, as many as its context has places: a line or two at these sizes. " +
      "What is further back does not exist for it, so a long story loses its hero.",
    topic: "context",
    todo: "Look at a line that is longer: the picture of attention says how much is gone.",
    button: "Show me",
    act: (app) => {
      app.words.text = LONG_LINE;
      app.words.control.focus();
    },
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

  const show = (step) => {
    at = step;
    const { title: name, words: text, topic, todo: task, button: label } = STEPS[at];
    number.textContent = `Guide, ${at + 1} of ${STEPS.length}`;
    title.textContent = name;
    words.replaceChildren(text, " ", explained(topic, "More on this"));
    todo.replaceChildren(task);
    act.textContent = label;
    back.disabled = at === 0;
    next.textContent = at === last ? "Done" : "Next";
    next.classList.remove("tgp-main");
    part.hidden = false;
    open.hidden = true;
    remember(String(at));
  };
  const shut = () => {
    part.hidden = true;
    open.hidden = false;
    remember(CLOSED);
  };
  const done = (topic) => {
    if (part.hidden || STEPS[at].done !== topic) return;
    todo.replaceChildren(el("b", {}, "Done. "), STEPS[at].todo);
    next.classList.add("tgp-main");
  };
  for (const topic of ["typed", "run", "end"]) app.on(topic, () => done(topic));
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
