// Small conveniences: tables that sort, and names for controls that Material leaves without one.
(() => {
  "use strict";

  const sortValue = (row, column) => {
    const cell = row.cells[column];
    const text = cell?.dataset.sort ?? cell?.textContent ?? "";
    const number = Number(text);
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

  const makeSortable = (table) => {
    if (table.dataset.sortable === "ready") return;
    table.dataset.sortable = "ready";
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sortBy(table, header));
      header.append(button);
    }
  };

  const nameControls = () => {
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    for (const [index, nav] of document.querySelectorAll("nav.md-nav:not([aria-label]):not([aria-labelledby])").entries()) {
      nav.setAttribute("aria-label", `Section ${index + 1}`);
    }
  };

  const onPage = () => {
    document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
    nameControls();
  };

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
