// One live figure: a chart from a compiled Vega specification, with choices above it, and a tooltip for each point:
// under a pointer, a finger, or the arrow keys.
//
// Pages (charts.js) and embedded figures (embed-page.js) share this file. It needs no `unsafe-eval`, because Vega
// interprets the expressions. Text from results enters the document as text, never as markup.
(() => {
  "use strict";

  const element = (name, className, text = "") => {
    const created = document.createElement(name);
    created.className = className;
    created.textContent = text;
    return created;
  };

  // ---- menus ----

  // Takes the menus out of a specification; Vega would draw its own for the parameters that it finds bound.
  const takeMenus = (spec) => {
    const menus = [];
    for (const signal of spec.signals) {
      if (!signal.bind) continue;
      const { input, name, options, labels = options } = signal.bind;
      const make = input === "radio" ? buttonsElement : selectElement;
      menus.push({ signal: signal.name, label: name ?? signal.name, options, labels, initial: signal.value, make });
      delete signal.bind;
    }
    return menus;
  };

  // The option that an address gives as text, if there is one.
  const optionOf = (menu, text) => menu.options.find((option) => String(option) === text);

  const selectElement = (menu, chosen, onChange) => {
    const label = element("label", "tg-menu");
    const select = element("select", "tg-menu__select");
    label.append(element("span", "tg-menu__name", menu.label.trim()), select);
    for (const [index, option] of menu.options.entries()) {
      const entry = element("option", "", String(menu.labels[index]));
      entry.value = String(option);
      entry.selected = option === chosen;
      select.append(entry);
    }
    select.addEventListener("change", () => onChange(menu.options[select.selectedIndex]));
    return label;
  };

  let rows = 0; // of buttons so far: each needs a name of its own

  const buttonsElement = (menu, chosen, onChange) => {
    const row = element("fieldset", "tg-menu tg-buttons");
    const name = `tg-${menu.signal}-${(rows += 1)}`;
    row.append(element("legend", "tg-menu__name", menu.label.trim()));
    for (const [index, option] of menu.options.entries()) {
      const label = element("label", "tg-button");
      const input = element("input", "");
      Object.assign(input, { type: "radio", name, value: String(option), checked: option === chosen });
      input.addEventListener("change", () => onChange(option));
      label.append(input, element("span", "", String(menu.labels[index])));
      row.append(label);
    }
    return row;
  };

  // ---- tooltip ----

  const OFFSET = 12; // pixels between the pointer and the tooltip
  let tip = null;

  const fillTip = (value) => {
    tip.replaceChildren();
    if (typeof value !== "object") {
      tip.textContent = String(value);
      return;
    }
    const rows = element("dl", "tg-tip__rows");
    for (const [heading, text] of Object.entries(value)) {
      if (text === null || text === undefined || text === "") continue;
      rows.append(element("dt", "", heading), element("dd", "", String(text)));
    }
    tip.append(rows);
  };

  // Beside a point of the screen, where there is room.
  const placeTip = (x, y) => {
    const { width, height } = tip.getBoundingClientRect();
    const right = x + OFFSET;
    const below = y + OFFSET;
    const left = right + width > window.innerWidth ? x - OFFSET - width : right;
    const top = below + height > window.innerHeight ? y - OFFSET - height : below;
    tip.style.left = `${Math.max(4, Math.min(left, window.innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(top, window.innerHeight - height - 4))}px`;
  };

  const hideTip = () => tip?.classList.remove("tg-tip--visible");

  const showTip = (value, x, y) => {
    if (value === null || value === undefined || value === "") {
      hideTip();
      return;
    }
    if (!tip?.isConnected) {
      tip = element("div", "tg-tip");
      tip.setAttribute("role", "status"); // read aloud when the arrow keys move on
      document.body.append(tip);
    }
    fillTip(value);
    tip.classList.add("tg-tip--visible");
    placeTip(x, y);
  };

  // ---- points: by pointer, finger and keys ----

  const FINGER = 26; // pixels around a tap in which a point is taken to be meant
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

  // The marks with a tooltip, line by line. Vega keeps a mark's data at its element.
  const pointsOf = (plot) =>
    [...plot.querySelectorAll(".mark-symbol path, .mark-rect path, .mark-text text")].filter(
      (mark) => mark.__data__?.tooltip && mark.getBoundingClientRect().width,
    );

  const middleOf = (mark) => {
    const { left, top, width, height } = mark.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };

  const nearest = (plot, x, y) => {
    let best = null;
    let reach = FINGER;
    for (const mark of pointsOf(plot)) {
      const [left, top] = middleOf(mark);
      const distance = Math.hypot(left - x, top - y);
      if (distance < reach) [best, reach] = [mark, distance];
    }
    return best;
  };

  // A plot is one stop of the Tab key; arrow keys go from point to point. A tap takes the nearest point.
  // Returns a function that ends it.
  const makePointsReachable = (plot, view, hasLines) => {
    let at = null; // the mark that is shown
    const point = (datum) => {
      const line = datum?.variant ?? "";
      if (hasLines && view.signal("pointed") !== line) view.signal("pointed", line).runAsync();
    };
    const leave = () => {
      at?.classList.remove("tg-at");
      at = null;
      point(null);
      hideTip();
    };
    const goTo = (mark) => {
      at?.classList.remove("tg-at");
      at = mark;
      mark.classList.add("tg-at");
      point(mark.__data__.datum);
      showTip(mark.__data__.tooltip, ...middleOf(mark));
    };
    view.tooltip((_handler, event, _item, value) => {
      // Without an event when the view ends.
      if (event && event.pointerType !== "touch") showTip(value, event.clientX, event.clientY);
    });
    view.addEventListener("pointermove", (event, item) => {
      if (event.pointerType !== "touch") point(item?.datum);
    });
    plot.addEventListener("click", (event) => {
      const mark = nearest(plot, event.clientX, event.clientY);
      if (mark) goTo(mark);
      else leave();
    });
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", "Points of the chart: arrow keys go from one to the next");
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      const step = STEPS[event.key];
      if (!step) return;
      const marks = pointsOf(plot);
      if (!marks.length) return;
      event.preventDefault();
      const place = marks.indexOf(at);
      goTo(marks[place < 0 ? (step > 0 ? 0 : marks.length - 1) : (place + step + marks.length) % marks.length]);
    });
    plot.addEventListener("blur", leave);
    const elsewhere = (event) => {
      if (at && !plot.contains(event.target)) leave();
    };
    document.addEventListener("pointerdown", elsewhere);
    return () => {
      leave();
      document.removeEventListener("pointerdown", elsewhere);
    };
  };

  // ---- the chart ----

  // Legends wrap by the width, and Vega lays them out before it knows that of the container.
  const setRoom = (spec, width) => {
    for (const signal of spec.signals) if (signal.name === "room") signal.value = width;
  };

  // Screen readers would announce a layer that a choice leaves empty as a graphic without a name.
  const hideEmptyLayers = (plot) => {
    for (const layer of plot.querySelectorAll("g[role=graphics-symbol]")) {
      if (layer.hasChildNodes()) layer.removeAttribute("aria-hidden");
      else layer.setAttribute("aria-hidden", "true");
    }
  };

  const PIECE = 8; // milliseconds of work between two pauses

  // Lets the browser handle input and paint.
  let paused = 0; // when it last could
  const pause = async () => {
    if (window.scheduler?.yield) await scheduler.yield();
    else await new Promise((done) => setTimeout(done));
    paused = performance.now();
  };

  // Vega waits for a transform that returns a promise. One after each data set and layer lets the browser react during
  // the first run, which computes and draws everything; later runs change little.
  class Pause extends vega.Transform {
    transform(_parameters, pulse) {
      const isDue = !this.value && performance.now() - paused > PIECE;
      this.value = "passed";
      return isDue ? pause().then(() => pulse) : pulse;
    }
  }
  Pause.Definition = { type: "Pause", metadata: {}, params: [] };
  vega.transforms.pause = Pause;

  const drawInPieces = (spec) => {
    for (const step of [...spec.data, ...spec.marks]) (step.transform ??= []).push({ type: "pause" });
  };

  const LEAST = 0.4; // of its height that a plot keeps

  // Draws into an empty element that is in the document; see `show`. Returns {selected, finalize, stretch, stretched}.
  const draw = async (host, spec, { choices, state, onChoice }) => {
    const menus = takeMenus(spec);
    setRoom(spec, host.clientWidth);
    drawInPieces(spec);
    const bar = element("div", "tg-menus");
    const plot = element("div", "tg-plot");
    if (menus.length) host.append(bar);
    host.append(plot);
    await pause();
    const runtime = vega.parse(spec, null, { ast: true });
    await pause();
    const view = new vega.View(runtime, { expr: vega.expressionInterpreter, renderer: "svg", container: plot });
    const endPoints = makePointsReachable(plot, view, spec.signals.some(({ name }) => name === "pointed"));
    const current = new Map();
    // The page has the finding of the machine that the figure opens with.
    const title = host.closest(".tg-figure")?.querySelector(".tg-figure__title");
    const tellFinding = () => {
      const machine = current.get(menus.find(({ signal }) => signal === "machine"));
      if (!title || !machine) return;
      title.dataset.first ??= title.textContent;
      title.textContent = spec.usermeta.headlines?.[machine] ?? title.dataset.first;
    };
    const changed = () =>
      Object.fromEntries(
        menus.filter((menu) => current.get(menu) !== menu.initial).map((menu) => [menu.signal, String(current.get(menu))]),
      );
    for (const menu of menus) {
      const chosen = optionOf(menu, choices[menu.signal]) ?? menu.initial;
      current.set(menu, chosen);
      view.signal(menu.signal, chosen);
      bar.append(
        menu.make(menu, chosen, (option) => {
          current.set(menu, option);
          view.signal(menu.signal, option).runAsync().then(() => hideEmptyLayers(plot));
          tellFinding();
          onChoice(changed());
        }),
      );
    }
    await pause();
    await view.runAsync();
    if (state) await view.setState(state).runAsync();
    hideEmptyLayers(plot);
    tellFinding();
    // Selections on the chart itself have data sets of their own.
    const selections = new Set(spec.usermeta?.selections ?? []);
    const selected = () =>
      view.getState({
        signals: (name) => selections.has(name),
        data: (name) => Boolean(name) && name.endsWith("_store"),
        recurse: false,
      });
    // Makes the plot higher than its specification says, or lower; charts of several plots keep their height.
    const plain = typeof spec.height === "number" ? spec.height : null;
    let added = 0;
    const stretch = async (pixels) => {
      const wanted = plain === null ? 0 : Math.max(Math.round(pixels), Math.round(plain * (LEAST - 1)));
      if (wanted === added) return;
      await view.height(plain + wanted).runAsync();
      added = wanted;
    };
    const finalize = () => {
      endPoints();
      view.finalize();
    };
    return { selected, finalize, stretch, stretched: () => added };
  };

  // Draws a figure in a chart's element, and replaces the element's content when the drawing is complete.
  //   before: the result of `show` for the drawing in the element, or null
  //   choices: parameter → text of the option that the reader chose; other parameters keep their defaults
  //   onChoice: called after each change with all choices that are not defaults
  //   isCurrent: returns false if the drawing is obsolete when it is complete
  // Returns the new drawing; null if it is obsolete.
  const show = async (chart, scheme, spec, { before, choices, onChoice, isCurrent }) => {
    // Laid out but invisible until it is complete.
    const host = element("div", "tg-live tg-live--coming");
    chart.append(host);
    try {
      const drawing = await draw(host, spec, { choices, state: before?.selected() ?? null, onChoice });
      if (!isCurrent()) {
        drawing.finalize();
        host.remove();
        return null;
      }
      before?.finalize();
      for (const old of chart.querySelectorAll(":scope > .tg-live")) if (old !== host) old.remove();
      host.classList.remove("tg-live--coming");
      chart.classList.add("tg-chart--live");
      chart.dataset.scheme = scheme;
      return drawing;
    } catch (error) {
      host.remove();
      throw error;
    }
  };

  window.tinygptFigure = { show };
})();
