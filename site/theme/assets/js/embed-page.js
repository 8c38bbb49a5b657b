// A figure on a page of its own, made to be shown in a frame of another page.
//
// The address chooses: ?theme=dark (light, dark, or auto: as the system is), and ?PARAMETER=OPTION for each menu. The
// page sends its height to the page around it, for embed.js to use. It fetches no data: the frame may be sandboxed, and
// then it has no origin that a server could let in.
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
    const mine = (turn += 1);
    const theme = scheme();
    document.body.setAttribute("data-md-color-scheme", SCHEMES[theme]);
    width = chart.clientWidth;
    const made = await window.tinygptFigure.show(chart, theme, structuredClone(specs[theme]), {
      before: drawing,
      choices,
      onChoice: (chosen) => {
        choices = chosen;
        linkBack();
      },
      isCurrent: () => mine === turn,
    });
    drawing = made ?? drawing;
  };

  const tryDraw = () => draw().catch((error) => console.error("chart:", error));

  const tellHeight = () => {
    if (window.parent === window) return;
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    // To anyone: a height is no secret, and a page in a file or a sandbox has no origin to name.
    window.parent.postMessage({ type: "tinygpt:height", height }, "*");
  };

  let resizing = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => chart.clientWidth !== width && tryDraw(), 150);
  });
  prefersDark.addEventListener("change", tryDraw);
  new ResizeObserver(tellHeight).observe(document.body);
  linkBack();
  tryDraw();
})();
