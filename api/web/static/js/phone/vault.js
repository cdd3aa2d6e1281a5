// @ts-check
// What only the bearer may read: the route, drafts and the summaries of his acts, under a key that his PIN unwraps. The key
// lives in this page's memory alone. Six digits can be guessed by whoever copies the memory of the phone; the lock of the
// phone itself is the true wall, and this one keeps out whoever picks it up.

import { recall, tx } from "./db.js";
import { fromText, toText } from "./seal.js";

export const ROUNDS = 600_000;
export const MOST_TRIES = 5;
const AES = { name: "AES-GCM", length: 256 };
const utf8 = new TextEncoder();

/** @type {CryptoKey | null} */
let key = null;
/** @type {Set<() => void>} */
const watchers = new Set();

export const isOpen = () => key !== null;

export function lock() {
  if (!key) return;
  key = null;
  for (const watcher of watchers) watcher();
}

/** @param {() => void} watcher */
export function onLock(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/**
 * @param {string} text
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {number} rounds
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function pbkdf2(text, salt, rounds) {
  const word = await crypto.subtle.importKey("raw", utf8.encode(text), "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  return new Uint8Array(await crypto.subtle.deriveBits(how, word, 256));
}

/** @param {string} pin @param {Uint8Array<ArrayBuffer>} salt @param {number} rounds */
const wrapping = async (pin, salt, rounds) =>
  crypto.subtle.importKey("raw", await pbkdf2(pin, salt, rounds), "AES-GCM", false, ["wrapKey", "unwrapKey"]);

const nameOf = (/** @type {string} */ staff) => `vault|${staff}`;

async function bearer() {
  const me = await recall("me");
  return me?.staff.id ?? "";
}

/** What is known of the bearer's PIN: none yet, usable, or used up by wrong tries. @returns {Promise<"none"|"set"|"used-up">} */
export async function pinState() {
  const kept = await recall(nameOf(await bearer()));
  if (!kept) return "none";
  return kept.tries >= MOST_TRIES ? "used-up" : "set";
}

/**
 * Choose a PIN. While the vault is open it only changes; else a new key is made, and what the old one closed is dropped,
 * because nobody can read it any more. The outbox is closed by another key and stays.
 * @param {string} pin
 */
export async function setPin(pin) {
  const staff = await bearer();
  const fresh = key === null;
  const data = key ?? (await crypto.subtle.generateKey(AES, true, ["encrypt", "decrypt"]));
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const wrapped = await crypto.subtle.wrapKey("raw", data, await wrapping(pin, salt, ROUNDS), { name: "AES-GCM", iv });
  await tx(["meta", "bags", "drafts", "acts"], "readwrite", async (store) => {
    await store("meta").put(
      { salt, iv, rounds: ROUNDS, wrapped: new Uint8Array(wrapped), tries: 0 },
      nameOf(staff),
    );
    if (!fresh) return;
    for (const name of ["bags", "drafts"]) await store(name).drop(IDBKeyRange.bound(`${staff}|`, `${staff}|\uffff`));
    for (const act of await store("acts").all()) {
      if (act.staff_id === staff) await store("acts").drop(act.event_id);
    }
  });
  key = data;
}

/**
 * Open the vault. The try is written down before it is made, so that killing the app gives nobody a further one.
 * @param {string} pin
 * @returns {Promise<{open: boolean, left: number}>}
 */
export async function unlock(pin) {
  const name = nameOf(await bearer());
  const kept = await tx("meta", "readwrite", async (store) => {
    const found = await store("meta").get(name);
    if (!found || found.tries >= MOST_TRIES) return null;
    found.tries += 1;
    await store("meta").put(found, name);
    return found;
  });
  if (!kept) return { open: false, left: 0 };
  try {
    key = await crypto.subtle.unwrapKey(
      "raw",
      kept.wrapped,
      await wrapping(pin, kept.salt, kept.rounds),
      { name: "AES-GCM", iv: kept.iv },
      AES,
      true,
      ["encrypt", "decrypt"],
    );
  } catch {
    return { open: false, left: MOST_TRIES - kept.tries };
  }
  await tx("meta", "readwrite", (store) => store("meta").put({ ...kept, tries: 0 }, name));
  return { open: true, left: MOST_TRIES };
}

/** Is this the PIN? Counts as a try. @param {string} pin */
export const isPin = async (pin) => (await unlock(pin)).open;

function opened() {
  if (!key) throw new Error("locked");
  return key;
}

/**
 * Close a value: anything of JSON, with bytes and pictures in it.
 * @param {unknown} value
 * @returns {Promise<{iv: Uint8Array<ArrayBuffer>, ct: Uint8Array<ArrayBuffer>}>}
 */
export async function close(value) {
  const secret = opened();
  const plain = utf8.encode(JSON.stringify(await packed(value)));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return { iv, ct: new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, secret, plain)) };
}

/** @param {{iv: Uint8Array<ArrayBuffer>, ct: Uint8Array<ArrayBuffer>}} closed @returns {Promise<any>} */
export async function open(closed) {
  const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: closed.iv }, opened(), closed.ct);
  return JSON.parse(new TextDecoder().decode(plain), unpack);
}

/** @param {any} value @returns {Promise<any>} */
async function packed(value) {
  if (value instanceof Blob) {
    return { $blob: toText(new Uint8Array(await value.arrayBuffer())), type: value.type };
  }
  if (value instanceof Uint8Array) return { $bytes: toText(value) };
  if (Array.isArray(value)) return Promise.all(value.map(packed));
  if (value !== null && typeof value === "object" && !("toJSON" in value)) {
    const entries = Object.entries(value).map(async ([name, inner]) => [name, await packed(inner)]);
    return Object.fromEntries(await Promise.all(entries));
  }
  return value;
}

/** @param {string} _name @param {any} value */
function unpack(_name, value) {
  if (value !== null && typeof value === "object") {
    if (typeof value.$blob === "string") return new Blob([fromText(value.$blob)], { type: value.type });
    if (typeof value.$bytes === "string") return fromText(value.$bytes);
  }
  return value;
}
