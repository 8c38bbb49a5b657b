// Material's search, loaded with the first query: the index is the site's largest file, and most readers never search.
//
// Pages start this worker instead of Material's (main.html), whose name is in this one's address, and send it an index
// without pages (sitegen.build.site). The messages are those of Material.
"use strict";

const [SETUP, READY, QUERY, RESULT] = [0, 1, 2, 3];
const PAGES = "../../search/pages.json";
const MATERIAL = `../javascripts/workers/${location.search.slice(1)}`;

let setup = null;
let search = null; // a promise of Material's worker, with the whole index

const load = async () => {
  const index = setup.docs.length ? {} : await (await fetch(new URL(PAGES, location))).json();
  const worker = new Worker(new URL(MATERIAL, location));
  await new Promise((ready) => {
    worker.onmessage = ready;
    worker.postMessage({ type: SETUP, data: { ...setup, ...index } });
  });
  worker.onmessage = ({ data }) => postMessage(data);
  return worker;
};

onmessage = async ({ data }) => {
  if (data.type === SETUP) {
    setup = data.data;
    postMessage({ type: READY });
  } else if (data.type === QUERY && data.data === "" && !search) {
    postMessage({ type: RESULT, data: { items: [] } });
  } else {
    search ??= load();
    search.catch(() => (search = null)); // the next query tries again
    (await search).postMessage(data);
  }
};
