// Live charts in pages: the interactive chart replaces a figure's pictures when it scrolls into view, or shortly before.
//
// Vega (one vendored file) is fetched for the first of them, so a page without charts never loads it. Material's
// instant navigation swaps pages without reloading scripts: `document$` reports each page, and charts that left the
// document are finalized. A change of the colour scheme redraws a chart and keeps the reader's choices. They are in the
// address, as ?FIGURE.PARAMETER=OPTION, and apply when it is opened.
(() => {
  "use strict";

  const scripts = new URL(".", document.currentScript.src);
  const site = new URL("../../", scripts);
  const libraries = [new URL("../vendor/vega-charts.min.js", scripts), new URL("figure.js", scripts)];

  const charts = new Map(); // element → {drawing, width, choices, turn}
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
    loading ??= libraries.reduce((before, url) => before.then(() => loadScript(url)), Promise.resolve());
    return loading;
  };

  const isDark = () => document.body.getAttribute("data-md-color-scheme") === "slate";

  // ---- the reader's view, in the address ----

  const readChoices = (figure) => {
    const found = [...new URLSearchParams(location.search)].filter(([key]) => key.startsWith(`${figure}.`));
    return Object.fromEntries(found.map(([key, value]) => [key.slice(figure.length + 1), value]));
  };

  const writeChoices = (url, figure, choices) => {
    for (const key of [...url.searchParams.keys()]) {
      if (key.startsWith(`${figure}.`)) url.searchParams.delete(key);
    }
    for (const [name, value] of Object.entries(choices)) url.searchParams.set(`${figure}.${name}`, value);
    return url;
  };

  const rememberView = (chart, figure, choices) => {
    chart.choices = choices;
    history.replaceState(history.state, "", writeChoices(new URL(location.href), figure, choices));
  };

  // The address of one figure with its choices, without those of other figures.
  const viewAddress = (chart, figure) => {
    const url = new URL(location.pathname, location.origin);
    url.hash = `figure-${figure}`;
    return writeChoices(url, figure, chart.choices).href;
  };

  const addCopyButton = (element, chart) => {
    const bar = element.closest(".tg-figure")?.querySelector(".tg-downloads");
    if (!bar || bar.querySelector(".tg-copy")) return;
    const button = document.createElement("button");
    const status = document.createElement("span");
    button.type = "button";
    button.className = "tg-copy";
    button.textContent = "Copy link to this view";
    status.setAttribute("role", "status");
    status.className = "tg-copy__status";
    button.addEventListener("click", async () => {
      const address = viewAddress(chart, element.dataset.figure);
      try {
        await navigator.clipboard.writeText(address);
        status.textContent = "Copied";
      } catch {
        status.textContent = address; // no clipboard: the reader can copy it by hand
      }
    });
    bar.append(" · ", button, " ", status);
  };

  // ---- drawing ----

  const draw = async (element) => {
    const chart = charts.get(element);
    if (!chart) return;
    const turn = (chart.turn = (chart.turn ?? 0) + 1);
    const dark = isDark();
    const url = new URL(dark ? element.dataset.dark : element.dataset.light, site);
    url.searchParams.set("v", element.dataset.version);
    const [response] = await Promise.all([fetch(url), loadVega()]);
    if (!response.ok) throw new Error(`cannot load ${url.pathname}: ${response.status}`);
    const spec = await response.json();
    const isCurrent = () => turn === chart.turn && element.isConnected;
    if (!isCurrent()) return; // the scheme or the page has changed
    chart.width = element.clientWidth;
    const drawing = await window.tinygptFigure.show(element, dark ? "dark" : "light", spec, {
      before: chart.drawing,
      choices: chart.choices,
      onChoice: (choices) => rememberView(chart, element.dataset.figure, choices),
      isCurrent,
    });
    if (!drawing) return;
    chart.drawing = drawing;
    addCopyButton(element, chart);
  };

  // If a chart cannot be drawn, its picture is shown and the reason logged.
  const tryDraw = (element) =>
    draw(element).catch((error) => {
      console.error("chart:", error);
      element.classList.add("tg-chart--still");
    });

  const observe = (rootMargin) => {
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting || charts.has(target)) continue;
          observer.unobserve(target);
          charts.set(target, { choices: readChoices(target.dataset.figure) });
          tryDraw(target);
        }
      },
      { rootMargin },
    );
    return observer;
  };

  // Most figures are blank until they are live, and are drawn before they come into view. The first one shows its
  // picture, and is drawn once the reader is there and has done something: loading and drawing take a phone half a second.
  const [approaching, reached] = ["800px", "0px 0px -15%"].map(observe);
  const showsPicture = (element) => [...element.querySelectorAll("img")].some((picture) => picture.offsetParent);
  const touched = new Promise((resolve) => {
    if (location.search) resolve(); // it has choices, which the picture does not show
    for (const sign of ["keydown", "pointerdown", "pointermove", "scroll"]) {
      window.addEventListener(sign, resolve, { capture: true, once: true, passive: true });
    }
  });

  const forgetOldCharts = () => {
    for (const [element, chart] of charts) {
      if (element.isConnected) continue;
      chart.drawing?.finalize();
      charts.delete(element);
    }
  };

  const onPage = () => {
    forgetOldCharts();
    for (const element of document.querySelectorAll(".tg-chart[data-light]")) {
      if (charts.has(element)) continue;
      if (showsPicture(element)) touched.then(() => reached.observe(element));
      else approaching.observe(element);
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
        if (chart.width !== undefined && chart.width !== element.clientWidth) tryDraw(element);
      }
    }, 150);
  });

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
