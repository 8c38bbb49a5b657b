// The reader's trained model in the browser's storage (IndexedDB), until the reader deletes it.

const NAME = "tinygpt-playground";
const STORE = "models";
const KEY = "trained";

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function withStore(mode, use) {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const result = await settled(use(transaction.objectStore(STORE)));
    if (mode === "readwrite") {
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
    }
    return result;
  } finally {
    database.close();
  }
}

/** Save a snapshot, replacing the saved one; rejects if the browser has no room or forbids storage. */
export const saveModel = (file) => withStore("readwrite", (store) => store.put(file, KEY));

/** The saved snapshot, or undefined. */
export const savedModel = () => withStore("readonly", (store) => store.get(KEY));

/** Delete the saved snapshot. */
export const deleteModel = () => withStore("readwrite", (store) => store.delete(KEY));
