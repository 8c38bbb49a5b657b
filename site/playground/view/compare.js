// The reader's model beside the gallery's that learned the same kind of text: loss on the same part held out, and text.
//
// The gallery's model has a worker of its own, which lives as long as the comparison takes.

import { Client } from "../client.js";
import { button, count, el, heading, statusLine, textBox } from "../dom.js";
import { openGallery } from "../models.js";
import { explained } from "./explain.js";

const TOKENS = 240;
const INTRODUCTION =
  "After a training, this shows the gallery's model beside yours: its loss on the same text, and what it writes.";

/** Fill the part's element. */
export function comparePart(part, app) {
  const start = button("Compare with the gallery", { disabled: true });
  const status = statusLine();
  status.textContent = INTRODUCTION;
  const [mine, theirs] = ["Yours", "The gallery's"].map((name) => {
    const [loss, about, text] = [el("b", {}, "–"), el("span", {}), textBox(`Text of ${name.toLowerCase()}`)];
    const card = el(
      "div",
      { class: "tgp-page" },
      el("p", {}, el("strong", {}, name), " ", about),
      el("p", {}, explained("held-out loss", "held-out loss"), " ", loss),
      text,
    );
    return { card, loss, about, text };
  });
  const cards = el("div", { class: "tgp-pages", hidden: true }, mine.card, theirs.card);
  let run = null;
  let entry = null; // the gallery's model to compare with
  let other = null; // its worker

  app.on("run", (started) => {
    run = started;
    const { rival } = app.index.corpora.find(({ name }) => name === run.corpus) ?? {};
    entry = app.index.models.find(({ name }) => name === rival) ?? null;
    start.disabled = !entry;
    if (!run.continued) cards.hidden = true;
    status.textContent = entry ? INTRODUCTION : "The gallery has no model of this text; choose another to compare.";
  });
  app.on("news", ({ step, heldOut, sample }) => {
    if (heldOut !== undefined) mine.loss.textContent = heldOut.toFixed(2);
    if (sample !== undefined) mine.text.textContent = run.prompt + sample;
    mine.about.textContent = `after ${count(step)} steps`;
  });

  const compare = async () => {
    const [{ text, batchSize, prompt }, chosen] = [run, entry];
    other = new Client(app.url("worker.js"));
    await other.call("start", {});
    const { model } = await openGallery({ client: other, url: (path) => app.url(path) }, chosen);
    const { heldOut } = await other.call("judge", { text, batchSize });
    theirs.about.textContent = `${chosen.name}, ${count(model.parameters)} parameters`;
    theirs.loss.textContent = heldOut.toFixed(2);
    theirs.text.textContent = prompt;
    app.tell("rival", { name: "gallery", words: "the gallery's model", loss: heldOut });
    cards.hidden = false;
    const decoder = new TextDecoder();
    const progress = ({ bytes }) => (theirs.text.textContent += decoder.decode(bytes, { stream: true }));
    await other.call("generate", { prompt, count: TOKENS, temperature: 0.8, topK: 0, seed: 0 }, { progress });
    status.textContent = "Both read the same words and are judged on the same part of the text.";
  };
  start.addEventListener("click", async () => {
    start.disabled = true;
    status.classList.remove("tgp-bad");
    status.textContent = `Loading ${entry.title}…`;
    try {
      await compare();
    } catch (error) {
      status.classList.add("tgp-bad");
      status.textContent = error.message;
    } finally {
      other?.close();
      start.disabled = !entry;
    }
  });
  app.onEnd(() => other?.close());
  part.replaceChildren(
    heading("Compare", explained("gallery", "the gallery")),
    el("p", { class: "tgp-buttons" }, start),
    status,
    cards,
  );
}
