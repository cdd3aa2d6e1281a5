// @ts-check
// The phone's memory. A write is done when its transaction is complete, strictly: on the disk, not in somebody's cache.

export const NAME = "buuta";

/**
 * One step per version, oldest first; a step that was released is never changed. Each works on the rows of the one before
 * and loses none: what stands in the outbox may be the only copy there is.
 * @type {((db: IDBDatabase, upgrade: IDBTransaction) => void)[]}
 */
export const STEPS = [
  (db) => {
    db.createObjectStore("meta");
    db.createObjectStore("bags");
    db.createObjectStore("drafts");
    db.createObjectStore("outbox", { keyPath: "event_id" });
    db.createObjectStore("media", { keyPath: "sha256" });
    // Apart from their rows, which are counted often.
    db.createObjectStore("bytes");
    db.createObjectStore("acts", { keyPath: "event_id" });
  },
];

/** @type {Promise<IDBDatabase> | null} */
let opened = null;
let outdated = () => {};

/**
 * Called when a newer build of the app wants the memory: this page can write no more.
 * @param {() => void} listener
 */
export const onOutdated = (listener) => {
  outdated = listener;
};

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, STEPS.length);
    request.onupgradeneeded = ({ oldVersion }) => {
      const upgrade = /** @type {IDBTransaction} */ (request.transaction);
      for (const step of STEPS.slice(oldVersion)) step(request.result, upgrade);
    };
    request.onerror = () => {
      opened = null;
      reject(request.error);
      if (request.error?.name === "VersionError") outdated();
    };
    request.onsuccess = () => {
      const db = request.result;
      const forget = () => {
        opened = null;
      };
      db.onversionchange = () => {
        db.close();
        forget();
        outdated();
      };
      db.onclose = forget;
      resolve(db);
    };
  });
  return opened;
}

/**
 * Run `work` in one transaction and resolve with its result when everything it wrote is on the disk.
 * `work` gets a function from a store's name to `{get, all, keys, put, drop}`; it may await nothing else.
 * @template T
 * @param {string | string[]} stores
 * @param {"readonly" | "readwrite"} mode
 * @param {(store: (name: string) => Store) => Promise<T> | T} work
 * @returns {Promise<T>}
 */
export async function tx(stores, mode, work) {
  const db = await open();
  const transaction = db.transaction(stores, mode, mode === "readwrite" ? { durability: "strict" } : {});
  const complete = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
  });
  complete.catch(() => {});
  let result;
  try {
    result = await work((name) => new Store(transaction.objectStore(name)));
  } catch (fault) {
    try {
      transaction.abort();
    } catch {
      // It has ended already, for the same reason.
    }
    throw fault;
  }
  await complete;
  return result;
}

class Store {
  /** @param {IDBObjectStore} store */
  constructor(store) {
    this.store = store;
  }
  /** @param {IDBValidKey} key */
  get = (key) => settled(this.store.get(key));
  /** @param {IDBKeyRange} [range] */
  all = (range) => settled(this.store.getAll(range));
  /** @param {IDBKeyRange} [range] */
  keys = (range) => settled(this.store.getAllKeys(range));
  /**
   * @param {unknown} value
   * @param {IDBValidKey} [key]
   */
  put = (value, key) => settled(this.store.put(value, key));
  /**
   * @param {unknown} value
   * @param {IDBValidKey} [key]
   */
  add = (value, key) => settled(this.store.add(value, key));
  /** @param {IDBValidKey | IDBKeyRange} key */
  drop = (key) => settled(this.store.delete(key));
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {string} key @returns {Promise<any>} */
export const recall = (key) => tx("meta", "readonly", (store) => store("meta").get(key));

/** @param {string} key @param {unknown} value */
export const remember = (key, value) => tx("meta", "readwrite", (store) => store("meta").put(value, key));

/** Forget everything: the phone is nobody's any more. */
export async function wipe() {
  const db = await open();
  db.onclose = null;
  db.close();
  opened = null;
  await settledDeletion();
}

const settledDeletion = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(NAME);
    request.onsuccess = () => resolve(undefined);
    request.onerror = () => reject(request.error);
  });
