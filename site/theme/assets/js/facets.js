// One machine at a time: a row of buttons, like those of figures (figure.js), above the parts that a page has for each.
(() => {
  "use strict";

  const element = (name, className, text = "") => Object.assign(document.createElement(name), { className, textContent: text });

  let rows = 0; // of buttons so far: each needs a name of its own

  const addButtons = (facets) => {
    const parts = [...facets.querySelectorAll(":scope > .tg-facet")];
    if (parts.length < 2 || facets.dataset.ready) return;
    facets.dataset.ready = "yes";
    const row = element("fieldset", "tg-menu tg-buttons");
    const name = `tg-facets-${(rows += 1)}`;
    row.append(element("legend", "tg-menu__name", facets.dataset.of));
    for (const part of parts) {
      const input = Object.assign(element("input", ""), { type: "radio", name, checked: part === parts[0] });
      const label = element("label", "tg-button");
      part.hidden = !input.checked;
      input.addEventListener("change", () => parts.forEach((other) => (other.hidden = other !== part)));
      label.append(input, element("span", "", part.querySelector(".tg-machine").textContent));
      row.append(label);
    }
    facets.prepend(row);
  };

  const onPage = () => document.querySelectorAll(".tg-facets").forEach(addButtons);
  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
