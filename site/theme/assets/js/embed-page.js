// A figure on its own page, for a frame in another page.
//
// The address has the choices: ?theme=dark (light, dark, or auto: like the system), and ?PARAMETER=OPTION for each
// menu. The page posts the height that it needs to its parent, where embed.js uses it. In a page without embed.js the
// plot takes the height that is left in the frame, so that nothing is cut and nothing scrolls. It fetches no data, because
// a sandboxed frame has no origin that a server could allow.
(() => {
  "use strict";

  const SCHEMES = { light: "default", dark: "slate" };
  const query = new URLSearchParams(location.search);
  const specs = JSON.parse(document.getElementById("specifications").textContent);
  const chart = document.querySelector(".tg-chart");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  let choices = Object.fromEntries([...query].filter(([key]) => key !== "theme"));
  let drawing = null;
  let turn = 0;
  let width = 0;

  const scheme = () => {
    const theme = query.get("theme");
    if (Object.hasOwn(SCHEMES, theme ?? "")) return theme;
    return prefersDark.matches ? "dark" : "light";
  };

  // The link back keeps the reader's view.
  const linkBack = () => {
    for (const link of document.querySelectorAll("a[data-figure]")) {
      const url = new URL(link.href);
      url.search = "";
      for (const [name, value] of Object.entries(choices)) url.searchParams.set(`${link.dataset.figure}.${name}`, value);
      link.href = url.href;
    }
  };

  const draw = async () => {
    const mine = ++turn;
    const theme = scheme();
    document.body.setAttribute("data-md-color-scheme", SCHEMES[theme]);
    width = chart.clientWidth;
    const drawn = await window.tinygptFigure.show(chart, theme, structuredClone(specs[theme]), {
      before: drawing,
      choices,
      onChoice: (chosen) => {
        choices = chosen;
        linkBack();
      },
      isCurrent: () => mine === turn,
    });
    drawing = drawn ?? drawing;
    fit();
  };

  // If the chart cannot be drawn, its picture is shown and the reason logged.
  const tryDraw = () =>
    draw().catch((error) => {
      console.error("chart:", error);
      chart.classList.add("tg-chart--still");
    });

  const WAIT = 200; // milliseconds in which a parent with embed.js has answered
  let waiting = 0;

  // The height of the page with a plot of its own height.
  const needed = () => Math.ceil(document.body.getBoundingClientRect().height) - (drawing?.stretched() ?? 0);

  const fit = () => {
    if (window.parent === window) return;
    // To any origin: a height is no secret, and a page in a file or a sandbox has no origin.
    window.parent.postMessage({ type: "tinygpt:height", height: needed() }, "*");
    clearTimeout(waiting);
    waiting = setTimeout(() => drawing?.stretch(window.innerHeight - needed()), WAIT);
  };

  let resizing = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => (chart.clientWidth === width ? fit() : tryDraw()), 150);
  });
  prefersDark.addEventListener("change", tryDraw);
  new ResizeObserver(fit).observe(document.body);
  linkBack();
  tryDraw();
})();
