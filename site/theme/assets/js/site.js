// Tables that sort and filter, names for regions that Material leaves without one, a keyboard's access to what scrolls, and the
// scripts that a page needs besides.
(() => {
  "use strict";

  const sortValue = (row, column) => {
    const cell = row.cells[column];
    const text = cell?.dataset.sort ?? cell?.textContent ?? "";
    // A number without such an attribute begins its cell: 1,240, 3.7× or 25 %, perhaps with an interval behind it.
    const plain = !cell?.dataset.sort && cell?.matches(".tg-numeric");
    const number = plain ? Number.parseFloat(text.replaceAll(",", "")) : Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  };

  const compare = (a, b) => {
    const types = typeof a === typeof b;
    if (types && typeof a === "number") return a - b;
    if (types) return a.localeCompare(b, "en", { numeric: true });
    return typeof a === "number" ? -1 : 1;
  };

  const sortBy = (table, header) => {
    const column = [...header.parentNode.children].indexOf(header);
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(sortValue(a, column), sortValue(b, column)) * (descending ? -1 : 1));
    table.tBodies[0].append(...rows);
  };

  const FILTERED_FROM = 20; // rows; a shorter table is read faster than it is searched

  // Rows that hold every word stay; their number is announced to readers who do not see it.
  const makeFilterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    const place = table.closest(".tg-table");
    if (!place || rows.length < FILTERED_FROM) return;
    const words = document.createElement("input");
    words.type = "search";
    words.placeholder = "words in a row";
    const count = document.createElement("output");
    count.textContent = `${rows.length} rows`;
    const label = document.createElement("label");
    label.className = "tg-filter";
    label.append("Filter ", words, count);
    place.before(label);
    words.addEventListener("input", () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      }
      const left = rows.filter((row) => !row.hidden).length;
      count.textContent = left === rows.length ? `${left} rows` : `${left} of ${rows.length} rows`;
    });
  };

  const makeSortable = (table) => {
    if (table.dataset.sortable === "ready") return;
    table.dataset.sortable = "ready";
    makeFilterable(table);
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sortBy(table, header));
      header.append(button);
    }
  };

  // Material leaves navigation regions without a name, or names them by a label without text; screen readers list
  // them by name. The copy button of a code block is in a region of its own, which is none.
  const nameControls = () => {
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    for (const nav of document.querySelectorAll("nav.md-nav[aria-labelledby]")) {
      const label = document.getElementById(nav.getAttribute("aria-labelledby"));
      const title = nav.querySelector(":scope > .md-nav__title")?.textContent.trim();
      if (label?.textContent.trim() || !title) continue;
      nav.removeAttribute("aria-labelledby");
      nav.setAttribute("aria-label", title);
    }
    for (const nav of document.querySelectorAll(".md-code__nav:not([role])")) nav.setAttribute("role", "none");
    // Parts of a table of contents are no regions of their own; two of them may have one name.
    for (const nav of document.querySelectorAll(".md-nav--secondary .md-nav")) {
      nav.removeAttribute("aria-label");
      nav.setAttribute("role", "none");
    }
    for (const nav of document.querySelectorAll(".md-post__action")) {
      nav.setAttribute("aria-label", nav.closest("article")?.querySelector("h2")?.textContent.trim() ?? "Post");
    }
  };

  // What scrolls must be reachable by the keyboard; what fits must not be a stop. What is folded away and what
  // a long table holds is not measured, because the browser would have to lay it out; and all are measured before any is
  // changed, for the same reason.
  const MEASURED = ".tg-math, .tg-table:not(.tg-table--full), .md-typeset__scrollwrap:not(.tg-table *), .tg-sample pre";
  const makeReachable = () => {
    const seen = [...document.querySelectorAll(MEASURED)].filter((region) => !region.closest("details:not([open])"));
    const scrolling = seen.map(
      (region) => region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight,
    );
    for (const [index, region] of seen.entries()) {
      if (scrolling[index]) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    }
  };

  // What is folded away and long comes when it is unfolded, from the page that its link leads to.
  const bring = async ({ target }) => {
    const link = target.open ? target.querySelector(":scope > [data-part] > a") : null;
    const answer = link && (await fetch(link.href).catch(() => null));
    if (!answer?.ok || !link.isConnected) return;
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = other.getElementById(link.hash.slice(1));
    if (!part || !link.isConnected) return;
    link.parentNode.replaceWith(...part.children);
    makeReachable();
  };

  // Paper shows where these lead (site.css). Instant navigation makes every address complete, so an address does not show it.
  const markElsewhere = () => {
    for (const link of document.querySelectorAll(".md-typeset a[href]")) {
      link.toggleAttribute("data-elsewhere", link.host !== location.host);
    }
  };

  // What few pages need is fetched for the first one that has it; from then on it follows `document$` by itself.
  const PARTS = { ".tg-chart": "charts.js", ".tg-qa": "qa.js", ".tg-playground": "playground.js" };
  const folder = new URL(".", document.currentScript.src);
  const loadParts = () => {
    for (const [selector, name] of Object.entries(PARTS)) {
      if (!document.querySelector(selector)) continue;
      const script = document.createElement("script");
      script.src = new URL(name, folder).href;
      document.head.append(script);
      delete PARTS[selector];
    }
  };

  const onPage = () => {
    loadParts();
    markElsewhere();
    document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
    nameControls();
    requestAnimationFrame(() => setTimeout(makeReachable)); // when the page is laid out and painted
  };

  // A long table that came near stays laid out (site.css): back there, in search and in a picture of the whole page.
  const keepLaidOut = ({ target, skipped }) => {
    if (!skipped) target.style.contentVisibility = "visible";
  };

  // Copy buttons come after the page, one by one, and charts mark by mark, which have none; widths change with the window
  // and when something unfolds.
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => !target.closest(".tg-chart"))) nameControls();
  }).observe(document.body, { childList: true, subtree: true });
  window.addEventListener("resize", makeReachable);
  document.addEventListener("toggle", makeReachable, true);
  document.addEventListener("toggle", bring, true);
  document.addEventListener("contentvisibilityautostatechange", keepLaidOut, true);

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
