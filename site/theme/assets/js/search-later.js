// The search's index is the largest file of the site, and most readers never search. Material asks for it on every
// page; here the request waits until the search is opened. For Material that is a slow network, which it copes with.
(() => {
  "use strict";

  const { open, send } = XMLHttpRequest.prototype;
  const waiting = [];
  const held = new WeakSet();
  let wanted = new URLSearchParams(location.search).has("q"); // a link to a search opens it

  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (new URL(url, location.href).pathname.endsWith("/search/search_index.json")) held.add(this);
    return open.call(this, method, url, ...rest);
  };

  XMLHttpRequest.prototype.send = function (body) {
    if (wanted || !held.has(this)) send.call(this, body);
    else waiting.push(() => send.call(this, body));
  };

  const release = () => {
    wanted = true;
    for (const go of waiting.splice(0)) go();
  };

  document.addEventListener("focusin", ({ target }) => {
    if (target.closest(".md-search")) release();
  });
  document.getElementById("__search")?.addEventListener("change", release);
})();
