// @ts-check
// The bearer's day as the server signed it: kept closed by the vault, so that it can be read without a signal. Days that have
// passed are dropped.

import { tx } from "./db.js";
import { today as calendarDay } from "./dom.js";
import { ask, settled, Unanswered } from "./net.js";
import * as outbox from "./outbox.js";
import { fromText } from "./seal.js";
import * as vault from "./vault.js";

/** What was read last, while the vault is open. @type {any} */
let kept = null;
vault.onLock(() => {
  kept = null;
});

/** @type {Set<() => unknown>} */
const watchers = new Set();
/** @param {() => unknown} watcher */
export const onChange = (watcher) => watchers.add(watcher);

/** Today as this phone knows it, or null while it has never heard of it. */
export async function today() {
  const me = await outbox.me();
  if (!me || !vault.isOpen()) return null;
  const date = calendarDay();
  if (kept?.date === date && kept.postman.id === me.staff.id) return kept;
  const row = await tx("bags", "readonly", (store) => store("bags").get(`${me.staff.id}|${date}`));
  kept = row ? await vault.open(row.sealed) : null;
  return kept;
}

/** The cash that the office knows the bearer to carry, in dong; null while the day is not known. */
export const cash = () => kept?.cash.carried_dong ?? null;

/** Ask for a newer version of the day. What cannot be had now, or is not signed by our server, leaves the old one standing. */
export async function load() {
  const me = await outbox.me();
  if (!me || !vault.isOpen()) return;
  const date = calendarDay();
  const known = await today();
  let answer;
  try {
    const headers = known ? { "If-None-Match": `"${date}-${known.version}"` } : {};
    answer = settled(await ask(`/api/v1/sync/bag?date=${date}`, { headers }));
  } catch (fault) {
    if (fault instanceof Unanswered) return;
    throw fault;
  }
  if (answer.status !== 200 || !(await isSigned(answer, me.signing_key))) return;
  const sealed = await vault.close(answer.json());
  await tx("bags", "readwrite", async (store) => {
    for (const key of await store("bags").keys()) if (!String(key).endsWith(`|${date}`)) await store("bags").drop(key);
    await store("bags").put({ sealed }, `${me.staff.id}|${date}`);
  });
  kept = null;
  for (const watcher of watchers) watcher();
}

/**
 * True when the bytes were signed with the key that this phone was given when it was enrolled.
 * @param {import("./net.js").Answer} answer
 * @param {{kid: string, public: string}} key
 */
async function isSigned(answer, key) {
  const [kid, signature] = (answer.headers.get("x-bag-signature") ?? "").split(":");
  if (kid !== key.kid || !signature) return false;
  const kind = { name: "ECDSA", namedCurve: "P-256" };
  const pinned = await crypto.subtle.importKey("raw", fromText(key.public), kind, false, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, pinned, fromText(signature), answer.bytes);
}
