// Live charts: each figure's pictures are replaced by the interactive chart when it scrolls into view.
//
// Vega (three files, vendored) is fetched for the first chart that becomes visible, so a page without charts never
// loads it. Material's instant navigation swaps pages without reloading scripts: `document$` says when, and charts
// that left the page are finalized. A change of the colour scheme redraws and keeps what the reader had chosen.
(() => {
  "use strict";

  const scripts = new URL(".", document.currentScript.src);
  const generated = new URL("../generated/", scripts);
  const vendored = ["vega", "vega-lite", "vega-embed"].map((name) => new URL(`../vendor/${name}.min.js`, scripts));

  const charts = new Map(); // element → {view, finalize, parameters, drawing}
  let loading = null;

  const loadScript = (url) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url.href;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`cannot load ${url.pathname}`));
      document.head.append(script);
    });

  const loadVega = () => {
    loading ??= vendored.reduce((before, url) => before.then(() => loadScript(url)), Promise.resolve());
    return loading;
  };

  const isDark = () => document.body.getAttribute("data-md-color-scheme") === "slate";

  // Names of the parameters that a reader can change: those bound to a menu, and selections.
  const parameterNames = (spec) => spec.params.map(({ name }) => name).filter((name) => name !== "room");

  // Legends wrap by the width, and Vega lays them out before it knows the container's: tell it beforehand.
  const setRoom = (spec, width) => {
    for (const parameter of spec.params) if (parameter.name === "room") parameter.value = width;
  };

  const readState = (chart) =>
    chart.view.getState({
      signals: (name) => chart.parameters.includes(name),
      data: (name) => Boolean(name) && name.endsWith("_store"),
      recurse: false,
    });

  const draw = async (element) => {
    const chart = charts.get(element);
    if (!chart) return;
    const turn = (chart.turn = (chart.turn ?? 0) + 1);
    const dark = isDark();
    const url = new URL(dark ? element.dataset.dark : element.dataset.light, generated);
    url.searchParams.set("v", element.dataset.version);
    const [response] = await Promise.all([fetch(url), loadVega()]);
    if (!response.ok) throw new Error(`cannot load ${url.pathname}: ${response.status}`);
    const spec = await response.json();
    if (turn !== chart.turn || !element.isConnected) return; // the scheme or the page changed meanwhile
    const state = chart.view ? readState(chart) : null;
    chart.width = element.clientWidth;
    setRoom(spec, chart.width);
    const host = document.createElement("div");
    host.className = "tg-live";
    // Measured while it is laid out, but shown only when it is complete.
    host.style.visibility = "hidden";
    host.style.position = "absolute";
    host.style.insetInline = "0";
    element.append(host);
    const result = await window.vegaEmbed(host, spec, {
      mode: "vega-lite",
      renderer: "svg",
      actions: false,
      ast: true, // expressions are interpreted, not compiled: no `unsafe-eval`
      tooltip: { theme: "tinygpt" },
    });
    if (turn !== chart.turn || !element.isConnected) {
      result.finalize();
      host.remove();
      return;
    }
    if (state) await result.view.setState(state).runAsync();
    chart.finalize?.();
    for (const child of [...element.children]) {
      if (child !== host && child.classList.contains("tg-live")) child.remove();
    }
    host.removeAttribute("style");
    Object.assign(chart, { view: result.view, finalize: result.finalize, parameters: parameterNames(spec) });
    element.classList.add("tg-chart--live");
    element.dataset.scheme = dark ? "dark" : "light";
  };

  // The pictures stay when a chart cannot be drawn; the reason belongs in the console.
  const tryDraw = (element) => draw(element).catch((error) => console.error("chart:", error));

  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting || charts.has(entry.target)) continue;
        seen.unobserve(entry.target);
        charts.set(entry.target, {});
        tryDraw(entry.target);
      }
    },
    { rootMargin: "200px" },
  );

  const forgetOldCharts = () => {
    for (const [element, chart] of charts) {
      if (element.isConnected) continue;
      chart.finalize?.();
      charts.delete(element);
    }
  };

  const onPage = () => {
    forgetOldCharts();
    for (const element of document.querySelectorAll(".tg-chart[data-light]")) {
      if (!charts.has(element)) seen.observe(element);
    }
  };

  new MutationObserver(() => {
    for (const element of charts.keys()) tryDraw(element);
  }).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });

  let resizing = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => {
      for (const [element, chart] of charts) {
        if (chart.view && chart.width !== element.clientWidth) tryDraw(element);
      }
    }, 150);
  });

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
