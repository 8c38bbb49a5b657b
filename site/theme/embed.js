// For pages that show figures in frames: each frame becomes as high as the figure in it. Optional.
(() => {
  "use strict";

  const MAX_HEIGHT = 4000; // pixels; a figure needs a fraction, and no figure should be able to stretch the page

  window.addEventListener("message", (event) => {
    const { type, height } = event.data ?? {};
    if (type !== "tinygpt:height" || !Number.isFinite(height) || height < 1) return;
    // By window, not by origin: a sandboxed frame has none.
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.ceil(height), MAX_HEIGHT)}px`;
    }
  });
})();
