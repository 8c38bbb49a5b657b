// Starts the playground on its page, and ends it when the reader leaves, because Material's instant navigation keeps
// scripts and workers running. Its modules are fetched on that page only.
(() => {
  "use strict";

  const entry = new URL("../generated/playground/playground.js", document.currentScript.src);
  let end = () => {};

  const onPage = async () => {
    end();
    end = () => {};
    const root = document.querySelector(".tg-playground");
    if (!root) return;
    const { mount } = await import(entry);
    if (root.isConnected) end = mount(root);
  };

  if (window.document$) window.document$.subscribe(onPage);
  else onPage();
})();
