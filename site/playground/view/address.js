// The state in the address: a link sets controls, and the address always describes those that differ from their start.
//
// A control decides which values it takes: a menu by its options, a number by its limits, a text by its length.

import { numberFits, numbersAllowed } from "../dom.js";

const SHOWN = 30; // characters of a refused value

const KINDS = {
  "select-one": {
    fits: (menu, value) => [...menu.options].some((option) => option.value === value),
    allowed: (menu) => [...menu.options].map(({ value }) => value).join(", "),
  },
  number: { fits: numberFits, allowed: numbersAllowed },
  textarea: {
    fits: (area, value) => value.length <= area.maxLength,
    allowed: (area) => `at most ${area.maxLength} characters`,
  },
};

export class Address {
  /**
   * @param {string} query of the page's address
   */
  constructor(query) {
    this._query = new URLSearchParams(query);
    this._controls = new Map();
    this._refused = [];
  }

  /** Let the address's entry `name` set a control, and follow its changes, but for values that are not the reader's own. */
  bind(name, control, isOwn = () => true) {
    const { fits, allowed } = KINDS[control.type];
    this._controls.set(name, { control, initial: control.value, isOwn });
    control.addEventListener("change", () => this.write());
    const asked = this._query.get(name);
    if (asked === null) return;
    if (fits(control, asked)) control.value = asked;
    else this._refused.push([name, asked, allowed(control)]);
  }

  /** True if the page was opened with one of some entries. */
  asks(names) {
    return names.some((name) => this._query.has(name));
  }

  /** The page's address with the present state. */
  link() {
    const url = new URL(location.href);
    for (const [name, { control, initial, isOwn }] of this._controls) {
      if (control.value === initial || !isOwn()) url.searchParams.delete(name);
      else url.searchParams.set(name, control.value);
    }
    return url.href;
  }

  /** Show the present state in the address bar. */
  write() {
    history.replaceState(history.state, "", this.link());
  }

  /** One line on the entries that could not be used, or nothing. */
  complaint() {
    if (!this._refused.length) return "";
    const asked = this._refused.map(([name, value]) => `${name} "${value.slice(0, SHOWN)}"`).join(" and ");
    const allowed = this._refused.map(([name, , words]) => `${name} can be ${words}`).join("; ");
    return `The address asks for ${asked}; ${allowed}. The page begins with its own choice instead.`;
  }
}
