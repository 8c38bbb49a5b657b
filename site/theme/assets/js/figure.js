// One live figure: a chart from a compiled Vega specification, with menus above it and a tooltip beside the pointer.
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
      const { name, options, labels = options } = signal.bind;
      menus.push({ signal: signal.name, label: name ?? signal.name, options, labels, initial: signal.value });
      delete signal.bind;
    }
    return menus;
  };

  // The option that an address gives as text, if there is one.
  const optionOf = (menu, text) => menu.options.find((option) => String(option) === text);

  const menuElement = (menu, chosen, onChange) => {
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

  const placeTip = (event) => {
    const { width, height } = tip.getBoundingClientRect();
    const right = event.clientX + OFFSET;
    const below = event.clientY + OFFSET;
    const left = right + width > window.innerWidth ? event.clientX - OFFSET - width : right;
    const top = below + height > window.innerHeight ? event.clientY - OFFSET - height : below;
    tip.style.left = `${Math.max(4, Math.min(left, window.innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(top, window.innerHeight - height - 4))}px`;
  };

  const showTip = (_handler, event, _item, value) => {
    if (!tip?.isConnected) {
      tip = element("div", "tg-tip");
      tip.setAttribute("role", "tooltip");
      document.body.append(tip);
    }
    const shown = value !== null && value !== undefined && value !== "";
    tip.classList.toggle("tg-tip--visible", shown);
    if (!shown) return;
    fillTip(value);
    placeTip(event);
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

  // Draws into an empty element that is in the document; see `show`. Returns {selected, finalize}.
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
    view.tooltip(showTip);
    const current = new Map();
    const changed = () =>
      Object.fromEntries(
        menus.filter((menu) => current.get(menu) !== menu.initial).map((menu) => [menu.signal, String(current.get(menu))]),
      );
    for (const menu of menus) {
      const chosen = optionOf(menu, choices[menu.signal]) ?? menu.initial;
      current.set(menu, chosen);
      view.signal(menu.signal, chosen);
      bar.append(
        menuElement(menu, chosen, (option) => {
          current.set(menu, option);
          view.signal(menu.signal, option).runAsync().then(() => hideEmptyLayers(plot));
          onChoice(changed());
        }),
      );
    }
    await pause();
    await view.runAsync();
    if (state) await view.setState(state).runAsync();
    hideEmptyLayers(plot);
    // Selections on the chart itself have data sets of their own.
    const selections = new Set(spec.usermeta?.selections ?? []);
    const selected = () =>
      view.getState({
        signals: (name) => selections.has(name),
        data: (name) => Boolean(name) && name.endsWith("_store"),
        recurse: false,
      });
    const finalize = () => {
      tip?.classList.remove("tg-tip--visible");
      view.finalize();
    };
    return { selected, finalize };
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
