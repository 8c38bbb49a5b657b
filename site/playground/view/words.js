// The reader's words: the line that a model continues, whose next character it predicts and over which it attends.

import { el, field } from "../dom.js";

const LONGEST = 2000; // characters

export class Words {
  /**
   * @param {string} initial
   * @param {(byReader: boolean) => void} changed is called when the line or the cursor changes
   */
  constructor(initial, changed) {
    this.control = el("textarea", { rows: 2, spellcheck: "false", autocapitalize: "off", maxlength: LONGEST });
    this.mine = false; // the reader has written some of it
    this._cursor = null; // the end, until the reader has moved it
    this._changed = changed;
    this.control.value = initial;
    const moved = () => {
      if (this._cursor === this.control.selectionEnd && this._seen === this.text) return;
      this._cursor = this.control.selectionEnd;
      this._seen = this.text;
      changed(true);
    };
    this.control.addEventListener("input", () => (this.mine = true));
    for (const event of ["input", "keyup", "click", "select"]) this.control.addEventListener(event, moved);
  }

  get text() {
    return this.control.value;
  }

  /** Replace the line. */
  set text(text) {
    this.control.value = text;
    this._cursor = null;
    this.control.dispatchEvent(new Event("change"));
    this._changed(false);
  }

  /** Replace the line, unless the reader has written it. */
  suggest(text) {
    if (!this.mine && text !== this.text) this.text = text;
  }

  /** The end of the line that has at most n bytes. */
  within(n) {
    const bytes = new TextEncoder().encode(this.text);
    return bytes.length <= n ? this.text : new TextDecoder().decode(bytes.slice(-n)).replace(/^\uFFFD+/, "");
  }

  /** The text before the cursor. */
  get before() {
    return this.text.slice(0, this._cursor ?? this.text.length);
  }

  /** Type a text at the cursor. */
  type(text) {
    const at = this._cursor ?? this.text.length;
    this.control.setRangeText(text, at, at, "end");
    this._cursor = at + text.length;
    this.mine = true;
    this.control.dispatchEvent(new Event("change"));
    this._changed(true);
  }
}

/** Fill the part's element. */
export function wordsPart(part, app) {
  part.replaceChildren(
    field("Your words", app.words.control, "The model continues them. It expects the next character at the cursor."),
  );
}
