// @ts-check
// What happened at the doors, kept until the server has said that it has it. Shared by pages and worker.
//
// Saved means: the strict transaction is complete. Sent means: our server's own JSON named the event's id. Between the two
// nothing is ever removed, whoever answers what.

import * as db from "./db.js";
import { Unanswered, actedAt, ask, notBefore, now, settled, stamp } from "./net.js";
import { digest, sealEvent, sealMedium, toText } from "./seal.js";
import * as vault from "./vault.js";

const MOST_EVENTS = 50;
const MOST_BODY = 400_000;
const PIECE = 256 * 1024;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const KEPT_DAYS = 3;
const RESULTS = ["applied", "duplicate", "accepted_with_conflict", "quarantined"];
// Somebody asks, or the network says that it is back: then our own patience ends.
const IMPATIENT = ["user", "online", "signed-in", "sync", "start"];
const DOUBTFUL = ["accepted_with_conflict", "quarantined"];

/** It could not be saved; the screen must say so. */
export class NotSaved extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("not saved", { cause });
    this.name = "NotSaved";
  }
}

/** An id in order of time (UUIDv7). */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const time = now();
  for (let place = 0; place < 6; place += 1) bytes[place] = Math.floor(time / 2 ** (8 * (5 - place))) % 256;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * The enrolled bearer of this phone.
 * @returns {Promise<{device_id: string, number: number, staff: {id: string, name: string, office: any},
 *   sealing_key: {kid: string, public: string}, signing_key: {kid: string, public: string}} | undefined>}
 */
export const me = () => db.recall("me");

// --------------------------------------------------------------------------------------------------- who is told
const channel = new BroadcastChannel("outbox");
/** @type {Set<() => void>} */
const watchers = new Set();
let flushing = false;
/** @type {"ok" | "none" | "portal" | "busy" | "sign-in"} */
let reach = "ok";

channel.onmessage = ({ data }) => {
  flushing = data.flushing;
  reach = data.reach;
  for (const watcher of watchers) watcher();
  // Whoever sends may die without a word; his lock is free then.
  if (flushing) void navigator.locks.request("outbox-flush", hasEnded);
};

function hasEnded() {
  if (!flushing) return;
  flushing = false;
  for (const watcher of watchers) watcher();
}

function announce() {
  channel.postMessage({ flushing, reach });
  for (const watcher of watchers) watcher();
}

/**
 * Called when anything changed, here, in another tab or in the worker. Returns how to stop.
 * @param {() => void} watcher
 */
export function onChange(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** What other modules learn about the way to the server from requests of their own. @param {typeof reach} found */
export function reached(found) {
  if (reach === found) return;
  reach = found;
  announce();
}

/** Something of ours was written by another module. */
export const changed = announce;

/** The server was heard just now: in a later run of the app it cannot be earlier, whatever the phone's clock says then. */
export const heard = () => db.remember("heard_at", new Date(now()).toISOString());

/** What an earlier run knew of the time. */
export async function recallTime() {
  notBefore(Date.parse((await db.recall("heard_at")) ?? "") || 0);
}

// -------------------------------------------------------------------------------------------------------- position
/** @type {{lat: number, lon: number, accuracy_m: number, at: string} | null} */
let fix = null;
let following = false;

/** Follow the phone's position where its bearer allows; nobody ever waits for it. */
export function followPosition() {
  if (following || !navigator.geolocation) return;
  following = true;
  navigator.geolocation.watchPosition(
    ({ coords, timestamp }) => {
      fix = {
        lat: coords.latitude,
        lon: coords.longitude,
        accuracy_m: Math.round(coords.accuracy),
        at: new Date(timestamp).toISOString(),
      };
    },
    () => {
      fix = null;
    },
    { enableHighAccuracy: true, maximumAge: 60_000 },
  );
}

/** The last known position, or null. */
export const lastFix = () => fix;

// ---------------------------------------------------------------------------------------------------------- record
/**
 * Write down what happened. Resolves when it is safe on the disk; the same `event_id` again changes nothing.
 * @param {{event_id: string, type: string, items: string[], data?: Record<string, any>,
 *   media?: {kind: string, blob: Blob}[], local?: Record<string, any>, draft?: string}} act
 * @returns {Promise<{event_id: string, seq: number, receipt?: string}>}
 * @throws {NotSaved}
 */
export async function record(act) {
  let saved;
  try {
    saved = await navigator.locks.request("outbox-record", () => write(act));
  } catch (fault) {
    throw new NotSaved(fault);
  }
  announce();
  sendSoon();
  return saved;
}

/** @param {Parameters<typeof record>[0]} act */
async function write({ event_id, type, items, data = {}, media = [], local = {}, draft }) {
  const bearer = await me();
  if (!bearer) throw new Error("nobody is enrolled");
  const known = await savedAlready(event_id);
  if (known) return known;
  const { device_id, number, sealing_key } = bearer;
  const staff_id = bearer.staff.id;
  const pictures = await Promise.all(
    media.map(async ({ kind, blob }) => {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const sha256 = await digest(bytes);
      return { kind, sha256, bytes: await sealMedium(bytes, sha256, sealing_key) };
    }),
  );
  const seq = ((await db.recall("seq")) ?? 0) + 1;
  const receipts = ((await db.recall("receipts")) ?? 0) + 1;
  const receipt = local.receipt === true ? receiptText(number, receipts) : local.receipt;
  actedAt((await db.recall("acted_at")) ?? 0);
  const { at: moment, anchored, occurred_at, clock } = stamp();
  const told = { ...data };
  if (pictures.length) {
    told.proofs = [...(data.proofs ?? []), ...pictures.map(({ kind, sha256 }) => ({ kind, sha256 }))];
  }
  if (receipt) told.receipt = receipt;
  const event = {
    event_id,
    device_seq: seq,
    type,
    items,
    occurred_at,
    clock,
    ...(fix && { position: fix }),
    data: told,
  };
  const envelope = await sealEvent(JSON.stringify(event), { device_id, device_seq: seq, event_id }, sealing_key);
  const at = new Date(moment).toISOString();
  const summary = { at, type, items, local: receipt ? { ...local, receipt } : local };
  const sealed = vault.isOpen() ? await vault.close(summary) : null;
  await db.tx(["meta", "outbox", "media", "bytes", "acts", "drafts"], "readwrite", async (store) => {
    if (((await store("meta").get("seq")) ?? 0) !== seq - 1) throw new Error("the number was taken");
    await store("meta").put(seq, "seq");
    if (anchored) await store("meta").put(moment, "acted_at");
    if (local.receipt === true) await store("meta").put(receipts, "receipts");
    await store("outbox").add({
      event_id,
      seq,
      staff_id,
      device_id,
      envelope,
      state: "waiting",
      result: null,
      code: null,
      saved_at: at,
      sent_at: null,
    });
    for (const { sha256, bytes } of pictures) {
      if (await store("media").get(sha256)) continue;
      const size = bytes.length;
      await store("media").add({ sha256, event_id, staff_id, size, sent_offset: 0, state: "waiting", code: null });
      await store("bytes").put(bytes, sha256);
    }
    await store("acts").put({ event_id, seq, staff_id, at, sealed });
    if (draft) await store("drafts").drop(`${staff_id}|${draft}`);
  });
  return { event_id, seq, ...(receipt && { receipt }) };
}

/** @param {string} event_id */
async function savedAlready(event_id) {
  const row = await db.tx("outbox", "readonly", (store) => store("outbox").get(event_id));
  return row && { event_id, seq: row.seq };
}

/** @param {number} number @param {number} count */
const receiptText = (number, count) => `BT-${number}-${String(count).padStart(6, "0")}`;

/** The number that the next receipt will carry. */
export async function nextReceipt() {
  return receiptText((await me())?.number ?? 0, ((await db.recall("receipts")) ?? 0) + 1);
}

// ------------------------------------------------------------------------------------------------- acts and drafts
/** @type {Map<string, any>} */
const readActs = new Map();
vault.onLock(() => readActs.clear());

/**
 * The bearer's own acts that this phone can still read, oldest first.
 * @param {string} [date] a day in Viet Nam; all without it
 */
export async function acts(date) {
  const bearer = await me();
  if (!bearer || !vault.isOpen()) return [];
  const [rows, sent] = await db.tx(["acts", "outbox"], "readonly", async (store) => [
    await store("acts").all(),
    await store("outbox").all(),
  ]);
  const states = new Map(sent.map((/** @type {any} */ row) => [row.event_id, row]));
  const found = [];
  for (const { event_id, seq, staff_id, at, sealed } of rows) {
    if (staff_id !== bearer.staff.id || !sealed || (date && localDay(at) !== date)) continue;
    if (!readActs.has(event_id)) readActs.set(event_id, await vault.open(sealed));
    const { state = "sent", result = null, code = null } = states.get(event_id) ?? {};
    found.push({ event_id, seq, ...readActs.get(event_id), state, result, code });
  }
  return found.sort((one, other) => one.seq - other.seq);
}

/** @param {string} at */
const localDay = (at) => new Date(Date.parse(at) + 7 * 3_600_000).toISOString().slice(0, 10);

/** One writer at a time, so that what was typed last stays. @type {Promise<unknown>} */
let draftQueue = Promise.resolve();

export const drafts = {
  /** @param {string} key @returns {Promise<any>} */
  async get(key) {
    const place = await draftPlace(key);
    const row = await db.tx("drafts", "readonly", (store) => store("drafts").get(place));
    return row ? vault.open(row) : undefined;
  },
  /**
   * @param {string} key
   * @param {any} value JSON with bytes and blobs in it
   */
  put(key, value) {
    const writing = draftQueue.then(async () => {
      const place = await draftPlace(key);
      const closed = await vault.close(value);
      await db.tx(["drafts", "outbox"], "readwrite", async (store) => {
        // A draft whose act was saved meanwhile, perhaps in another tab, must not come back.
        if (value?.event_id && (await store("outbox").get(value.event_id))) return;
        await store("drafts").put(closed, place);
      });
    });
    draftQueue = writing.catch(() => {});
    return writing.catch((fault) => {
      throw new NotSaved(fault);
    });
  },
  /** @param {string} key */
  async drop(key) {
    const place = await draftPlace(key);
    await db.tx("drafts", "readwrite", (store) => store("drafts").drop(place));
  },
};

/** @param {string} key */
const draftPlace = async (key) => `${(await me())?.staff.id}|${key}`;

// ---------------------------------------------------------------------------------------------------------- status
/** @param {any} row */
const isUnsent = (row) => row.state !== "sent";

/** Where everything stands. */
export async function status() {
  const bearer = await me();
  const mine = bearer?.staff.id;
  const [rows, pictures, meta] = await db.tx(["outbox", "media", "meta"], "readonly", async (store) => [
    await store("outbox").all(),
    await store("media").all(),
    {
      last_sent_at: (await store("meta").get("last_sent_at")) ?? null,
      hold: (await store("meta").get("hold")) ?? null,
      needs_sign_in: (await store("meta").get("needs_sign_in")) ?? false,
      revoked: (await store("meta").get("revoked")) ?? false,
    },
  ]);
  const own = rows.filter((/** @type {any} */ row) => row.staff_id === mine);
  const others = rows.filter((/** @type {any} */ row) => row.staff_id !== mine && isUnsent(row));
  const ownPictures = pictures.filter((/** @type {any} */ row) => row.staff_id === mine && isUnsent(row));
  return {
    saved: own.length,
    pending: own.filter((/** @type {any} */ row) => row.state === "waiting" || row.state === "sending").length,
    review: own.filter((/** @type {any} */ row) => needsReview(row)).length,
    refused: own.filter((/** @type {any} */ row) => row.state === "review").length,
    media_pending: ownPictures.filter((/** @type {any} */ row) => row.state === "waiting").length,
    media_refused: ownPictures.filter((/** @type {any} */ row) => row.state === "review").length,
    last_sent_at: meta.last_sent_at,
    retry_at: meta.hold?.until ?? null,
    needs_sign_in: meta.needs_sign_in,
    revoked: meta.revoked,
    offline: reach === "none" || reach === "portal",
    reach,
    flushing,
    other_users: others.length,
  };
}

/** Refused by the server, or taken with a doubt that the bearer has not seen yet. @param {any} row */
const needsReview = (row) => row.state === "review" || (DOUBTFUL.includes(row.result) && !row.seen_at);

/** The bearer's rows for the list of what was saved and sent, newest first. */
export async function rows() {
  const mine = (await me())?.staff.id;
  const [events, pictures] = await db.tx(["outbox", "media"], "readonly", async (store) => [
    await store("outbox").all(),
    await store("media").all(),
  ]);
  return events
    .filter((/** @type {any} */ row) => row.staff_id === mine)
    .sort((/** @type {any} */ one, /** @type {any} */ other) => other.seq - one.seq)
    .map((/** @type {any} */ row) => {
      const own = pictures.filter((/** @type {any} */ picture) => picture.event_id === row.event_id);
      return {
        ...row,
        needs_review: needsReview(row),
        media: own.length,
        media_waiting: own.filter(isUnsent).length,
        media_code: own.find((/** @type {any} */ picture) => picture.state === "review")?.code ?? null,
      };
    });
}

/** The bearer has seen what the server doubted. @param {string} event_id */
export async function markSeen(event_id) {
  await db.tx("outbox", "readwrite", async (store) => {
    const row = await store("outbox").get(event_id);
    if (row) await store("outbox").put({ ...row, seen_at: new Date(now()).toISOString() });
  });
  announce();
}

/** Send again what the server would not take. */
export async function retry() {
  const mine = (await me())?.staff.id;
  await db.tx(["outbox", "media"], "readwrite", async (store) => {
    for (const name of ["outbox", "media"]) {
      for (const row of await store(name).all()) {
        if (row.staff_id === mine && row.state === "review") await store(name).put({ ...row, state: "waiting" });
      }
    }
  });
  return flush({ why: "user" });
}

/** Drop what was sent days ago; the office has it. */
export async function purge() {
  const before = new Date(now() - KEPT_DAYS * 86_400_000).toISOString();
  await db.tx(["outbox", "media", "acts"], "readwrite", async (store) => {
    const waiting = new Set(
      (await store("media").all()).filter(isUnsent).map((/** @type {any} */ row) => row.event_id),
    );
    for (const row of await store("outbox").all()) {
      if (isUnsent(row) || row.sent_at > before || needsReview(row) || waiting.has(row.event_id)) continue;
      await store("outbox").drop(row.event_id);
      await store("acts").drop(row.event_id);
    }
    for (const row of await store("media").all()) {
      if (!isUnsent(row) && !(await store("outbox").get(row.event_id))) await store("media").drop(row.sha256);
    }
  });
}

/** What is not yet with the server, as a file that the office can take in: sealed, like everything here. */
export async function rescue() {
  const bearer = await me();
  const mine = bearer?.staff.id;
  const [events, pictures] = await db.tx(["outbox", "media", "bytes"], "readonly", async (store) => {
    const own = (/** @type {any} */ row) => row.staff_id === mine && isUnsent(row);
    const media = [];
    for (const row of (await store("media").all()).filter(own)) {
      media.push({ sha256: row.sha256, bytes: await store("bytes").get(row.sha256) });
    }
    return [(await store("outbox").all()).filter(own), media];
  });
  const file = {
    format: "buuta-rescue",
    v: 1,
    device_id: bearer?.device_id,
    staff_id: mine,
    number: bearer?.number,
    made_at: new Date(now()).toISOString(),
    events: events.sort((/** @type {any} */ one, /** @type {any} */ other) => one.seq - other.seq).map(asSent),
    media: pictures.map((/** @type {any} */ { sha256, bytes }) => ({ sha256, envelope: toText(bytes) })),
  };
  return new Blob([JSON.stringify(file)], { type: "application/json" });
}

/** @param {any} row */
const asSent = (row) => ({ event_id: row.event_id, device_seq: row.seq, sealed: row.envelope });

// ----------------------------------------------------------------------------------------------------------- flush
/** The way is closed for now; everything stays where it is. */
class Pause extends Error {
  /** @param {typeof reach} why @param {number | null} [retryAfterMs] */
  constructor(why, retryAfterMs = null) {
    super(why);
    this.why = why;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @type {Promise<{left: number}> | null} */
let running = null;
/** Why somebody asked while a round was under way; the most urgent reason. @type {any} */
let asked = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Send what is waiting. Never throws: what could not be sent stays.
 * @param {{why?: "record" | "start" | "online" | "timer" | "visible" | "sync" | "user" | "signed-in"}} [options]
 * @returns {Promise<{left: number}>}
 */
export function flush({ why = "timer" } = {}) {
  if (running) {
    if (asked === null || IMPATIENT.includes(why)) asked = why;
    return running;
  }
  running = rounds(why);
  return running;
}

/** Round after round, as long as somebody asked for the next one while the last was under way. @param {any} why */
async function rounds(why) {
  try {
    for (let because = why; ; because = asked) {
      asked = null;
      // One sender on this phone: tabs and worker wait for each other, and the second finds nothing left.
      const result = await navigator.locks.request("outbox-flush", () => round(because));
      // A round that failed before the network came back says nothing of the network that is there now.
      if (asked === null || !(result.ok || IMPATIENT.includes(asked))) return result;
    }
  } finally {
    running = null;
  }
}

/** @param {string} why */
async function round(why) {
  const bearer = await me();
  const mine = bearer?.staff.id;
  if (!bearer || !(await left(mine))) return { ok: true, left: 0 };
  const hold = await db.recall("hold");
  if (hold && mayNotYet(hold, why)) {
    wakeAt(hold.until);
    return { ok: false, left: await left(mine) };
  }
  flushing = true;
  announce();
  try {
    await knowMyself(bearer);
    await sendEvents(bearer);
    await sendMedia(bearer);
    await db.tx("meta", "readwrite", async (store) => {
      await store("meta").drop("hold");
      await store("meta").drop("needs_sign_in");
    });
    reach = "ok";
    return { ok: true, left: await left(mine) };
  } catch (fault) {
    if (!(fault instanceof Pause || fault instanceof Unanswered)) throw fault;
    reach = fault.why;
    await holdBack(fault, hold);
    return { ok: false, left: await left(mine) };
  } finally {
    flushing = false;
    announce();
  }
}

/** @param {{until: number, asked: boolean}} hold @param {string} why */
function mayNotYet(hold, why) {
  if (Date.now() >= hold.until || hold.until - Date.now() > LONGEST_PAUSE_MS * 3) return false;
  // What the server asked for holds for everybody.
  return hold.asked || !IMPATIENT.includes(why);
}

/** @param {Pause | Unanswered} fault @param {{attempts: number} | undefined} before */
async function holdBack(fault, before) {
  const attempts = (before?.attempts ?? 0) + 1;
  const own = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1)) * (0.75 + Math.random() / 4);
  const asked = fault.retryAfterMs !== null;
  const until = Date.now() + (asked ? Math.min(fault.retryAfterMs ?? 0, LONGEST_PAUSE_MS * 2) : own);
  await db.tx("meta", "readwrite", async (store) => {
    await store("meta").put({ until, attempts, asked }, "hold");
    if (fault.why === "sign-in") await store("meta").put(true, "needs_sign_in");
  });
  wakeAt(until);
}

/** @param {number} until */
function wakeAt(until) {
  clearTimeout(timer);
  timer = setTimeout(() => flush({ why: "timer" }), Math.max(100, until - Date.now()));
}

/** @param {string | undefined} mine */
async function left(mine) {
  const [events, pictures] = await db.tx(["outbox", "media"], "readonly", async (store) => [
    await store("outbox").all(),
    await store("media").all(),
  ]);
  const waits = (/** @type {any} */ row) => row.staff_id === mine && ["waiting", "sending"].includes(row.state);
  return events.filter(waits).length + pictures.filter(waits).length;
}

/** Nobody's acts are sent under another's name, whoever has signed in on another page of this browser. */
async function knowMyself(/** @type {any} */ bearer) {
  const answer = settled(await ask("/api/v1/me"));
  if (answer.status === 403 && answer.code === "device-revoked") {
    await db.remember("revoked", true);
    return;
  }
  if (answer.status !== 200 || answer.json().id !== bearer.staff.id) throw new Pause("sign-in");
}

/** @param {any} bearer */
async function sendEvents(bearer) {
  for (;;) {
    const batch = await nextBatch(bearer.staff.id);
    if (!batch.length) return;
    await sendBatch(bearer, batch);
  }
}

/** @param {string} mine */
const nextBatch = (mine) =>
  db.tx("outbox", "readwrite", async (store) => {
    const waiting = (await store("outbox").all())
      .filter((/** @type {any} */ row) => row.staff_id === mine && ["waiting", "sending"].includes(row.state))
      .sort((/** @type {any} */ one, /** @type {any} */ other) => one.seq - other.seq);
    const batch = [];
    let size = 0;
    for (const row of waiting) {
      // Events of another enrolment of this phone go by themselves: a request speaks for one.
      if (batch.length && (batch.length === MOST_EVENTS || size > MOST_BODY)) break;
      if (batch.length && row.device_id !== batch[0].device_id) break;
      size += row.envelope.ct.length;
      batch.push(row);
      if (row.state !== "sending") await store("outbox").put({ ...row, state: "sending" });
    }
    return batch;
  });

/** @param {string} mine */
const unsentActs = (mine) =>
  db.tx("outbox", "readonly", async (store) => {
    const rows = await store("outbox").all();
    return rows.filter((/** @type {any} */ row) => row.staff_id === mine && ["waiting", "sending"].includes(row.state)).length;
  });

/** @param {any} bearer @param {any[]} batch */
async function sendBatch(bearer, batch) {
  const answer = await ask("/api/v1/sync", {
    method: "POST",
    // So that the office can tell a phone with acts to send from one whose bearer has done nothing.
    headers: { "Waiting-Acts": String(Math.max(0, (await unsentActs(bearer.staff.id)) - batch.length)) },
    json: { device_id: batch[0].device_id, events: batch.map(asSent) },
  });
  if (answer.status === 413 && batch.length > 1) return halves(bearer, batch);
  settled(answer);
  if (answer.status === 200) return take(answer.json(), batch);
  if (answer.status === 401 || answer.status === 403) throw new Pause("sign-in");
  if (answer.status < 400) throw new Pause("portal");
  // One event that the server will not read must not keep the others here.
  if (batch.length > 1) return halves(bearer, batch);
  const [row] = batch;
  await db.tx("outbox", "readwrite", (store) =>
    store("outbox").put({ ...row, state: "review", code: answer.code || `http-${answer.status}` }),
  );
  announce();
}

/** @param {any} bearer @param {any[]} batch */
async function halves(bearer, batch) {
  const middle = Math.ceil(batch.length / 2);
  await sendBatch(bearer, batch.slice(0, middle));
  await sendBatch(bearer, batch.slice(middle));
}

/** Believe what our server says about the events that we sent, and about no others. @param {any} told @param {any[]} batch */
async function take(told, batch) {
  if (!Array.isArray(told?.results)) throw new Pause("portal");
  const results = new Map(told.results.map((/** @type {any} */ one) => [one?.event_id, one]));
  const at = new Date(now()).toISOString();
  let taken = 0;
  await db.tx(["outbox", "meta"], "readwrite", async (store) => {
    for (const row of batch) {
      const found = results.get(row.event_id);
      if (!found || !RESULTS.includes(found.result)) continue;
      taken += 1;
      await store("outbox").put({
        ...row,
        state: "sent",
        result: found.result,
        code: found.code ?? null,
        sent_at: at,
      });
      if (found.code === "device-revoked") await store("meta").put(true, "revoked");
    }
    if (!taken) return;
    await store("meta").put(at, "last_sent_at");
    await store("meta").put(at, "heard_at");
  });
  announce();
  if (taken < batch.length) throw new Pause("busy");
}

/** @param {any} bearer */
async function sendMedia(bearer) {
  const [pictures, sent] = await db.tx(["media", "outbox"], "readonly", async (store) => [
    await store("media").all(),
    new Map((await store("outbox").all()).map((/** @type {any} */ row) => [row.event_id, row])),
  ]);
  const due = pictures
    .filter((/** @type {any} */ row) => row.staff_id === bearer.staff.id && row.state === "waiting")
    .filter((/** @type {any} */ row) => (sent.get(row.event_id)?.state ?? "sent") === "sent")
    .sort((/** @type {any} */ one, /** @type {any} */ other) => order(sent, one) - order(sent, other));
  for (const row of due) await upload(row);
}

/** @param {Map<string, any>} sent @param {any} row */
const order = (sent, row) => sent.get(row.event_id)?.seq ?? 0;

/** Upload a sealed picture from where the server has it. @param {any} row */
async function upload(row) {
  const path = `/api/v1/media/${row.sha256}`;
  const bytes = await db.tx("bytes", "readonly", (store) => store("bytes").get(row.sha256));
  // Nobody asks how far an upload has come that was never begun.
  let offset = row.begun ? await uploadedSoFar(path, row) : 0;
  row.begun = true;
  await keepMedium(row);
  let begunAnew = false;
  while (offset !== null && offset < row.size) {
    const answer = settled(
      await ask(path, {
        method: "PATCH",
        headers: {
          "Content-Type": "application/offset+octet-stream",
          "Upload-Offset": String(offset),
          "Upload-Length": String(row.size),
        },
        body: bytes.slice(offset, offset + PIECE),
        patience: 120_000,
      }),
    );
    const right = answer.headers.get("upload-offset");
    if (answer.status === 204 || (answer.status === 409 && right !== null)) {
      if (right === null) throw new Pause("portal");
      if (answer.status === 409 && Number(right) === offset) throw new Pause("busy");
      offset = Number(right);
      await keepMedium({ ...row, sent_offset: offset });
    } else if (answer.status === 401 || answer.status === 403) {
      throw new Pause("sign-in");
    } else if (answer.status === 422 && !begunAnew) {
      begunAnew = true;
      offset = 0;
    } else {
      await keepMedium({ ...row, state: "review", code: answer.code || `http-${answer.status}` });
      announce();
      return;
    }
  }
  await db.tx(["media", "bytes"], "readwrite", async (store) => {
    await store("media").put({ ...row, sent_offset: row.size, state: "sent" });
    await store("bytes").drop(row.sha256);
  });
  announce();
}

/** How much the server has; null when it has all. @param {string} path @param {any} row @returns {Promise<number | null>} */
async function uploadedSoFar(path, row) {
  const answer = await ask(path, { method: "HEAD" });
  if (answer.status === 404) return 0;
  settled(answer);
  if (answer.status === 401 || answer.status === 403) throw new Pause("sign-in");
  const offset = answer.headers.get("upload-offset");
  if (answer.status !== 200 || offset === null) throw new Pause("portal");
  if (answer.headers.get("upload-complete") === "?1") return null;
  // Begun with another envelope of the same picture, by a phone that was wiped since: begin anew.
  return Number(answer.headers.get("upload-length")) === row.size ? Number(offset) : 0;
}

/** @param {any} row */
const keepMedium = (row) => db.tx("media", "readwrite", (store) => store("media").put(row));

/** Send now if the way is open, and let the worker try when no page is left. */
function sendSoon() {
  flush({ why: "record" }).catch(reportError);
  navigator.serviceWorker?.ready
    .then((registration) => /** @type {any} */ (registration).sync?.register("outbox"))
    .catch(() => {
      // No Background Sync here, or not allowed: an open page sends by itself.
    });
}
