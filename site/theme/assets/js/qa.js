// Filters the Q&A log by words and phase, in the overview and below it. Without scripts the overview is a plain list.
(() => {
  "use strict";

  // An entry: its heading and everything up to the next heading of the same or a higher level.
  const entryOf = (id) => {
    const heading = document.getElementById(id);
    const parts = [heading];
    let next = heading?.nextElementSibling;
    for (; next && !/^H[123]$/.test(next.tagName); next = next.nextElementSibling) parts.push(next);
    return { parts, text: parts.map((part) => part?.textContent ?? "").join(" ").toLowerCase() };
  };

  const enhance = (overview) => {
    if (overview.dataset.ready) return;
    overview.dataset.ready = "yes";
    const controls = overview.querySelector(".tg-qa__controls");
    const [words, phase, count] = ["input", "select", "output"].map((name) => controls.querySelector(name));
    const sections = [...overview.querySelectorAll("section")].map((section) => ({
      section,
      phase: section.dataset.phase,
      items: [...section.querySelectorAll("li")].map((item) => ({
        item,
        ...entryOf(item.querySelector("a").hash.slice(1)),
      })),
    }));
    const total = sections.reduce((sum, { items }) => sum + items.length, 0);

    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { section, phase: own, items } of sections) {
        let any = false;
        for (const { item, parts, text } of items) {
          const match = (!phase.value || phase.value === own) && wanted.every((word) => text.includes(word));
          item.hidden = !match;
          for (const part of parts) part.hidden = !match;
          any ||= match;
          shown += match;
        }
        section.hidden = !any;
      }
      count.textContent = shown === total ? `${total} questions` : `${shown} of ${total} questions`;
    };

    // A permanent link to a hidden entry resets the filter.
    window.addEventListener("hashchange", () => {
      const target = location.hash && document.getElementById(location.hash.slice(1));
      if (!target?.hidden) return;
      words.value = phase.value = "";
      apply();
      target.scrollIntoView();
    });
    words.addEventListener("input", apply);
    phase.addEventListener("change", apply);
    controls.hidden = false;
    apply();
  };

  const onPage = () => document.querySelectorAll(".tg-qa").forEach(enhance);

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
