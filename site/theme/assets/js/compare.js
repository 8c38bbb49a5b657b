// Compares two runs, commits or machines, chosen from menus or named by the address: ?a=SIDE&b=SIDE. Reads the Parquet
// files of both and computes what `invoke compare` prints (compare/comparison.js).
(() => {
  "use strict";

  const here = new URL(".", document.currentScript.src);
  const root = new URL("../../", here);
  const KINDS = { run: "Runs", commit: "Commits", machine: "Machines" };
  const SHORT = { commit: 12, machine: 12 }; // digits of a name in a link

  // Files and modules are fetched once, whichever sides are compared.
  const kept = new Map();
  const once = (name, make) => {
    if (!kept.has(name)) {
      kept.set(name, make());
      kept.get(name).catch(() => kept.delete(name));
    }
    return kept.get(name);
  };

  const fetchFrom = async (address) => {
    const answer = await fetch(new URL(address, root));
    if (!answer.ok) throw new Error(`${address} cannot be read (${answer.status}).`);
    return answer;
  };
  const indexOf = () => once("index", async () => (await fetchFrom("api/compare.json")).json());
  const modules = () =>
    once("modules", () =>
      Promise.all(["../vendor/parquet.min.js", "compare/rows.js", "compare/comparison.js", "compare/words.js"].map(
        (name) => import(new URL(name, here).href),
      )),
    );
  const bytesOf = async (address) => (await fetchFrom(address)).arrayBuffer();

  const nameOf = ({ kind, name }) => name.slice(0, SHORT[kind] ?? name.length);

  // The side that a link names: a run by its whole id, a commit or a machine by the beginning of its hash.
  const sideOf = ({ sides }, name) => {
    const found = sides.filter((side) =>
      side.kind === "run" ? side.name === name : name.length >= 4 && side.name.startsWith(name),
    );
    if (found.length === 1) return found[0];
    const number = found.length ? "Several sides begin with" : "There is no published run, commit or machine";
    throw new Error(`${number} “${name}”. Choose from the menus.`);
  };

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const menu = (label, { sides }) => {
    const select = element("select");
    for (const [kind, title] of Object.entries(KINDS)) {
      const group = element("optgroup");
      group.label = title;
      for (const side of sides.filter((one) => one.kind === kind)) {
        const option = element("option", side.label);
        option.value = nameOf(side);
        group.append(option);
      }
      if (group.children.length) select.append(group);
    }
    const named = element("label", `${label} `);
    named.append(select);
    return { named, select };
  };

  // The newest run that shares a cell with an earlier one of its machine, after the one that shares most.
  const firstChoice = ({ sides }) => {
    const names = ({ cells }) => new Set(cells.map(([, ...cell]) => JSON.stringify(cell)));
    const runs = sides.filter(({ kind }) => kind === "run").map((side) => ({ side, cells: names(side) }));
    for (const [at, newest] of runs.entries()) {
      const shared = ({ cells }) => [...cells].filter((cell) => newest.cells.has(cell)).length;
      const earlier = runs.slice(at + 1).filter(({ side }) => side.machine === newest.side.machine);
      const most = Math.max(0, ...earlier.map(shared));
      if (most) return [earlier.find((run) => shared(run) === most).side, newest.side];
    }
    return [sides.at(-1), sides[0]];
  };

  const compare = async (index, before, after) => {
    if (before === after) throw new Error("Both sides are the same. Choose two.");
    const [{ readParquet }, { readRun }, { compareSides }, words] = await modules();
    const names = [...new Set([...before.cells, ...after.cells].map(([run]) => run))];
    const read = (name) => once(name, () => readRun(index.runs[name], bytesOf, readParquet));
    const runs = new Map(await Promise.all(names.map(async (name) => [name, await read(name)])));
    const across = [before, after].some(({ kind }) => kind === "machine");
    return words.describe(compareSides(index, before, after, runs), across);
  };

  const tableOf = ({ headings, rows }) => {
    const region = element("div", undefined, "tg-table");
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", "Cells of both sides");
    region.tabIndex = 0;
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const heading of headings) {
      const cell = element("th", heading);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const { text, numeric } of row) line.append(element("td", text, numeric ? "tg-numeric" : ""));
    }
    region.append(table);
    return region;
  };

  const listOf = (lines, className) => {
    const list = element("ul", undefined, className);
    list.append(...lines.map((line) => element("li", line)));
    return list;
  };

  const show = (answer, { sentence, table, bases, missing }) => {
    answer.replaceChildren(element("p", sentence, "tg-compare__sentence"));
    if (table.rows.length) answer.append(tableOf(table), listOf(bases, "tg-compare__bases"));
    if (!missing.length) return;
    const folded = element("details");
    folded.append(element("summary", `Measured on one side only: ${missing.length}`), listOf(missing, ""));
    answer.append(folded);
  };

  const enhance = async (place) => {
    if (place.dataset.ready) return;
    place.dataset.ready = "yes";
    const answer = element("div", "Reading the index of runs …", "tg-compare__answer");
    answer.setAttribute("aria-live", "polite");
    const form = element("form", undefined, "tg-compare__menus");
    place.replaceChildren(form, answer);
    let latest = 0;
    // Shows an answer, or why there is none, unless a newer choice was made meanwhile.
    const attempt = async (work) => {
      latest += 1;
      const own = latest;
      answer.setAttribute("aria-busy", "true");
      try {
        const found = await work();
        if (own === latest) show(answer, found);
      } catch (error) {
        if (own === latest) answer.replaceChildren(element("p", error.message, "tg-empty"));
      }
      if (own === latest) answer.removeAttribute("aria-busy");
    };

    const index = await indexOf().catch((error) => answer.replaceChildren(element("p", error.message, "tg-empty")));
    if (!index) return;
    if (!index.sides.length) {
      answer.replaceChildren(element("p", "No run has measured a step yet.", "tg-empty"));
      return;
    }
    const [before, after] = [menu("Before", index), menu("After", index)];
    const swap = element("button", "Swap");
    swap.type = "button";
    form.append(before.named, swap, after.named);

    const chosen = () => [before.select, after.select].map(({ value }) => value);
    const choose = () => {
      const address = new URL(location.href);
      for (const [at, value] of chosen().entries()) address.searchParams.set("ab"[at], value);
      history.replaceState(history.state, "", address);
      attempt(() => compare(index, ...chosen().map((name) => sideOf(index, name))));
    };
    form.addEventListener("change", choose);
    form.addEventListener("submit", (event) => event.preventDefault());
    swap.addEventListener("click", () => {
      [before.select.value, after.select.value] = [after.select.value, before.select.value];
      choose();
    });

    const asked = new URL(location.href).searchParams;
    const initial = firstChoice(index);
    attempt(async () => {
      for (const [at, { select }] of [before, after].entries()) select.value = nameOf(initial[at]);
      const sides = [...initial];
      for (const at of [0, 1]) if (asked.has("ab"[at])) sides[at] = sideOf(index, asked.get("ab"[at]));
      for (const [at, { select }] of [before, after].entries()) select.value = nameOf(sides[at]);
      return compare(index, ...sides);
    });
  };

  const onPage = () => document.querySelectorAll(".tg-compare").forEach(enhance);
  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
