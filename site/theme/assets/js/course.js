// The texts of one model over its training: a slider that shows one at a time, the last first. Without scripts all of
// them are shown, one below the other.
(() => {
  "use strict";

  const addSlider = (course) => {
    const texts = [...course.querySelectorAll(":scope > .tg-sample")];
    const label = document.createElement("label");
    const name = document.createElement("span");
    const slider = document.createElement("input");
    const place = document.createElement("output");
    const stage = document.createElement("div");
    label.className = "tg-course__slider";
    name.textContent = course.dataset.label;
    Object.assign(slider, { type: "range", min: 0, max: texts.length - 1, step: 1, value: texts.length - 1 });
    stage.className = "tg-course__texts";
    stage.append(...texts);
    label.append(name, slider, place);
    course.replaceChildren(label, stage);
    const show = () => {
      for (const [index, text] of texts.entries()) text.classList.toggle("tg-course__text--hidden", index !== Number(slider.value));
      const [step] = texts[slider.value].querySelector("figcaption").textContent.split(" · ");
      place.textContent = step;
      slider.setAttribute("aria-valuetext", step);
    };
    slider.addEventListener("input", show);
    show();
  };

  const onPage = () => {
    for (const course of document.querySelectorAll(".tg-course:not(:has(.tg-course__slider))")) addSlider(course);
  };

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
