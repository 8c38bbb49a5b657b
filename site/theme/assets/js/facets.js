// One machine at a time: a row of buttons above the parts that a page has for each machine.
(() => {
  "use strict";

  const show = (facets, chosen) => {
    for (const [index, facet] of [...facets.querySelectorAll(":scope > .tg-facet")].entries()) {
      facet.hidden = index !== chosen;
    }
    for (const [index, button] of facets.querySelectorAll(":scope > .tg-facets__choice button").entries()) {
      button.setAttribute("aria-pressed", String(index === chosen));
    }
  };

  const addButtons = (facets) => {
    const parts = facets.querySelectorAll(":scope > .tg-facet");
    if (parts.length < 2 || facets.dataset.ready) return;
    facets.dataset.ready = "yes";
    const choice = document.createElement("div");
    choice.className = "tg-facets__choice";
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", facets.dataset.of);
    choice.append(`${facets.dataset.of}: `);
    for (const [index, part] of parts.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = part.querySelector(".tg-machine").textContent;
      button.addEventListener("click", () => show(facets, index));
      choice.append(button);
    }
    facets.prepend(choice);
    show(facets, 0);
  };

  const onPage = () => document.querySelectorAll(".tg-facets").forEach(addButtons);
  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
