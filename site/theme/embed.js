// Optional, for pages with figures in frames: makes each frame as high as its figure.
(() => {
  "use strict";

  const MAX_HEIGHT = 4000; // pixels, far more than a figure needs: no frame can stretch the page further

  window.addEventListener("message", (event) => {
    const { type, height } = event.data ?? {};
    if (type !== "tinygpt:height" || !Number.isFinite(height) || height < 1) return;
    // By window, because a sandboxed frame has no origin.
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.ceil(height), MAX_HEIGHT)}px`;
    }
  });
})();
