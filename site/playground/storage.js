// The reader's trainings in the browser's storage (IndexedDB): the newest few, each a record with an id of its own.
//
//   record: {id, savedAt, model, file}    model: what the page shows of it (tasks/model.js); file: its snapshot, a Blob,
//                                         which is read only when it is opened
//
// A page names the record that it read or saved last by id and time. If another page has saved under that id since, a
// new record is made: two tabs that go on with one training keep both.

const NAME = "tinygpt-playground";
const VERSION = 2;
const STORE = "trainings";
const AT_MOST = 4; // records; older ones are deleted

const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function withStore(mode, use) {
  const opening = indexedDB.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    const database = opening.result;
    for (const earlier of [...database.objectStoreNames]) database.deleteObjectStore(earlier);
    database.createObjectStore(STORE, { keyPath: "id" });
  };
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([use(transaction.objectStore(STORE)), ended]);
    return result;
  } finally {
    database.close();
  }
}

async function newestFirst(store) {
  return (await settled(store.getAll())).sort((a, b) => b.savedAt - a.savedAt);
}

/**
 * Save a training.
 *
 * @param {{kept: object, model: object, file: Blob}} training kept: {id, savedAt} of its record, or null
 * @returns {Promise<{kept: object, dropped: object[]}>} its record, and the models whose records were deleted to make
 *   room; rejects if the browser has no room or forbids storage
 */
export const saveTraining = ({ kept, model, file }) =>
  withStore("readwrite", async (store) => {
    const isOurs = kept && (await settled(store.get(kept.id)))?.savedAt === kept.savedAt;
    const id = isOurs ? kept.id : newId();
    const savedAt = Date.now();
    await settled(store.put({ id, savedAt, model, file }));
    const old = (await newestFirst(store)).filter((record) => record.id !== id).slice(AT_MOST - 1);
    for (const record of old) await settled(store.delete(record.id));
    return { kept: { id, savedAt }, dropped: old.map((record) => record.model) };
  });

/** The saved trainings without their files, the newest first. */
export const savedTrainings = () =>
  withStore("readonly", async (store) => (await newestFirst(store)).map(({ file: _, ...record }) => record));

/** A saved training with its file, or undefined. */
export const savedTraining = (id) => withStore("readonly", (store) => settled(store.get(id)));

/** Delete a saved training. */
export const deleteTraining = (id) => withStore("readwrite", (store) => settled(store.delete(id)));
