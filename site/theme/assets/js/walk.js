// Walks through one training step: one step of the list at a time, its node marked in the graph, forward and backward.
// Without scripts the page shows all steps.
(() => {
  "use strict";

  const STRIDES = { ArrowLeft: -1, ArrowRight: 1, PageUp: -5, PageDown: 5, Home: -Infinity, End: Infinity };

  const enhance = (walk) => {
    if (walk.dataset.ready) return;
    walk.dataset.ready = "yes";
    const steps = [...walk.querySelectorAll(".tg-walk__step")];
    const nodes = [...walk.querySelectorAll(".tg-walk__node")];
    const controls = walk.querySelector(".tg-walk__controls");
    const [previous, next] = controls.querySelectorAll("button");
    const slider = controls.querySelector("input");
    const said = controls.querySelector("output");
    const indexOf = (node, way) => steps.findIndex(({ dataset }) => dataset.node === node && dataset.way === way);

    let at = 0;
    const show = (wanted) => {
      at = Math.min(Math.max(wanted, 0), steps.length - 1);
      const { node, way } = steps[at].dataset;
      for (const [index, step] of steps.entries()) step.classList.toggle("tg-walk__step--current", index === at);
      for (const mark of nodes) {
        const own = mark.dataset.node;
        mark.classList.toggle("tg-walk__node--number", indexOf(own, "forward") <= at);
        mark.classList.toggle("tg-walk__node--gradient", indexOf(own, "backward") <= at);
        mark.classList.toggle("tg-walk__node--current", own === node);
      }
      walk.dataset.way = way;
      slider.value = String(at + 1);
      slider.setAttribute("aria-valuetext", `${at + 1} of ${steps.length}, ${way}`);
      previous.disabled = at === 0;
      next.disabled = at === steps.length - 1;
      said.textContent = `Step ${at + 1} of ${steps.length}, ${way}`;
    };

    previous.addEventListener("click", () => show(at - 1));
    next.addEventListener("click", () => show(at + 1));
    slider.addEventListener("input", () => show(Number(slider.value) - 1));
    // The slider moves by itself, and a matrix that scrolls keeps its keys.
    walk.addEventListener("keydown", (event) => {
      if (event.target.matches("input, .tg-math") || event.altKey || event.ctrlKey || event.metaKey) return;
      if (!(event.key in STRIDES)) return;
      event.preventDefault();
      show(at + STRIDES[event.key]);
    });
    // A click on a node shows its gradient on the way back, and its number otherwise.
    for (const mark of nodes) {
      mark.addEventListener("click", () => {
        const way = steps[at].dataset.way === "forward" ? "forward" : "backward";
        show(indexOf(mark.dataset.node, way));
        slider.focus({ preventScroll: true });
      });
    }
    walk.classList.add("tg-walk--live");
    controls.hidden = false;
    show(0);
  };

  const onPage = () => document.querySelectorAll(".tg-walk").forEach(enhance);

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
