// Sorting and filters for tables, keyboard access to regions that scroll, and further scripts for the pages that need
// them.
(() => {
  "use strict";

  const sortValue = (row, column) => {
    const cell = row.cells[column];
    const text = cell?.dataset.sort ?? cell?.textContent ?? "";
    // Without the attribute the cell begins with its number: 1,240, 3.7× or 25 %, perhaps followed by an interval.
    const plain = !cell?.dataset.sort && cell?.matches(".tg-numeric");
    const number = plain ? Number.parseFloat(text.replaceAll(",", "").replace("−", "-")) : Number(text);
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

  const FILTERED_FROM = 20; // rows; a shorter table needs no filter

  // Shows the rows that have every word; screen readers announce their number.
  const makeFilterable = (table) => {
    const rows = [...table.tBodies[0].rows];
    const region = table.closest(".tg-table");
    if (!region || rows.length < FILTERED_FROM) return;
    const words = document.createElement("input");
    words.type = "search";
    words.placeholder = "words in a row";
    const count = document.createElement("output");
    count.textContent = `${rows.length} rows`;
    const label = document.createElement("label");
    label.className = "tg-filter";
    label.append("Filter ", words, count);
    region.before(label);
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

  // The sides on which a region has more than it shows, so that the style sheet can show that it is cut.
  const cutSides = (region) => {
    const right = region.scrollWidth - region.clientWidth - region.scrollLeft;
    const bottom = region.scrollHeight - region.clientHeight - region.scrollTop;
    const sides = { left: region.scrollLeft, right, bottom };
    return Object.keys(sides).filter((side) => sides[side] > 1);
  };

  const markCut = (region, sides) => {
    if (sides.length) region.dataset.cut = sides.join(" ");
    else delete region.dataset.cut;
  };

  // Regions that scroll must be reachable by keyboard, and regions that fit must not be. A region is measured when its
  // size is known or changes: at first, with the window, and when it is unfolded. Of long tables, only those that are visible
  // have content to measure now; the others always scroll.
  const REGIONS = ".tg-math, .tg-table, .md-typeset__scrollwrap:not(.tg-table *), .tg-sample pre, pre > code";
  const sizes = new ResizeObserver((entries) => {
    const cut = entries.map(({ target }) => cutSides(target));
    for (const [index, { target }] of entries.entries()) {
      if (cut[index].length) target.tabIndex = 0;
      else if (!target.matches(".tg-table--full")) target.removeAttribute("tabindex");
      markCut(target, cut[index]);
    }
  });
  const enhance = (part) => {
    part.querySelectorAll("table[data-sortable]").forEach(makeSortable);
    part.querySelectorAll(REGIONS).forEach((region) => sizes.observe(region));
  };

  // A long folded part is loaded when it is unfolded, from the page that its link leads to.
  const loadFolded = async ({ target }) => {
    const link = target.open ? target.querySelector(":scope > [data-part] > a") : null;
    const answer = link && (await fetch(link.href).catch(() => null));
    if (!answer?.ok || !link.isConnected) return;
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = other.getElementById(link.hash.slice(1));
    if (!part || !link.isConnected) return;
    link.parentNode.replaceWith(...part.children);
    enhance(target);
  };

  // Print shows the addresses of external links (site.css). CSS cannot tell which they are: instant navigation makes
  // all addresses complete.
  const markExternal = () => {
    for (const link of document.querySelectorAll(".md-typeset a[href]")) {
      link.toggleAttribute("data-external", link.host !== location.host);
    }
  };

  // Scripts for few pages, fetched for the first one that needs them; from then on they follow `document$` themselves.
  const PARTS = {
    ".tg-chart": "charts.js",
    ".tg-compare": "compare.js",
    ".tg-course": "course.js",
    ".tg-facets > :nth-child(2)": "facets.js",
    ".tg-playground": "playground.js",
    ".tg-qa": "qa.js",
    ".tg-walk": "walk.js",
    ".tg-writing": "writing.js",
  };
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
    markExternal();
    enhance(document);
  };

  // A long table that was laid out once stays so (site.css), for readers who return and for find in page.
  const keepLaidOut = ({ target, skipped }) => {
    if (skipped) return;
    target.style.contentVisibility = "visible";
    markCut(target, cutSides(target));
  };

  document.addEventListener("scroll", ({ target }) => target.dataset?.cut && markCut(target, cutSides(target)), true);
  document.addEventListener("toggle", loadFolded, true);
  document.addEventListener("contentvisibilityautostatechange", keepLaidOut, true);

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
