// @ts-check
// The bearer's day: as the server signed it, with everything on top that this phone has recorded since. The signed day is kept
// closed by the vault, so that it can be read without a signal; days that have passed are dropped.

import { tx } from "./db.js";
import { today as calendarDay, t } from "./dom.js";
import { ask, settled, Unanswered } from "./net.js";
import * as outbox from "./outbox.js";
import { digest, fromText } from "./seal.js";
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

/** The day with the acts on it, as it was put together last. @type {{mark: string, day: Day} | null} */
let shown = null;
vault.onLock(() => {
  shown = null;
});

/**
 * @typedef {{event_id: string, seq: number, at: string, type: string, items: string[], local: any, state: string,
 *   result: string | null, code: string | null}} Act one of the bearer's own acts of today, as `outbox.acts` gives it
 *
 * An item of the signed day, and what has become of it. `state` is its state after the acts of this phone; `in_my_bag` says
 * whether the bearer answers for it, `carried` whether its paper is with him (a dossier that is not fetched yet is not); `passed`
 * whether it was given to a colleague; `open` whether it still waits to be delivered or fetched today; `acts` are the acts that
 * count, oldest first; `standing` is as that of a stop, without `todo`.
 * @typedef {any} BagItem
 *
 * A stop of the signed day. `open`: something is still to be done there. `standing`: `todo`, or of what was done `saved` (on this
 * phone alone), `sent`, or `review` (the office looks at it again).
 * @typedef {any} BagStop
 *
 * @typedef {any} Day the signed snapshot (see `courier/store/bag.py`), whose `stops`, `extra` and `cash` include this phone's acts
 */

/** Today as this phone knows it, or null while it has never heard of it. @returns {Promise<Day | null>} */
export async function today() {
  const signed = await readSigned();
  if (!signed) return null;
  const acts = await outbox.acts(signed.date);
  const mark = JSON.stringify([signed.date, signed.version, signed.server_time, acts.map((act) => [act.seq, act.state, act.result])]);
  if (shown?.mark !== mark) shown = { mark, day: withActs(signed, acts, await digestsOf(signed.rules, acts)) };
  return shown.day;
}

/** The signed day alone. @returns {Promise<any>} */
async function readSigned() {
  const me = await outbox.me();
  if (!me || !vault.isOpen()) return null;
  const date = calendarDay();
  if (kept?.date === date && kept.postman.id === me.staff.id) return kept;
  const row = await tx("bags", "readonly", (store) => store("bags").get(`${me.staff.id}|${date}`));
  kept = row ? await vault.open(row.sealed) : null;
  return kept;
}

/** The cash that the bearer carries, in dong, his latest acts included; null while the day was not read. */
export const cash = () => shown?.day.cash.carried_dong ?? null;

// -------------------------------------------------------------------------------------- the acts on top of the day
/** The state that an act brings about, by the direction of the item: the same rows as the server's table of transitions. */
const STATES = /** @type {Record<string, Record<string, string>>} */ ({
  result: { taken_out: "out", handed_over: "delivered", attempt_failed: "attempted", brought_back: "held" },
  submission: { taken_out: "out", fetched: "fetched", attempt_failed: "requested", brought_back: "at_office" },
});
// States of an item that still waits for the postman.
export const OPEN = ["planned", "out"];
const AFTER_A_SLIP = /** @type {Record<string, string>} */ ({ taken_out: "planned" });

/**
 * The signed day with acts on top. Acts up to `done.ack_through` are in the server's word already; they only tell what was
 * recorded here and how it was received.
 * @param {any} signed
 * @param {Act[]} acts
 * @param {Map<string, string>} [rules] the signed day's rules by their digests
 * @returns {Day}
 */
export function withActs(signed, acts, rules = new Map()) {
  const withdrawn = new Set(acts.filter((act) => act.type === "corrected").map((act) => act.local.corrects));
  const isNews = (/** @type {Act} */ act) => act.seq > signed.done.ack_through;
  const news = acts.filter(isNews);
  /** @param {any} item */
  const told = (item, isNewsOf = isNews) => {
    const own = acts.filter((act) => act.items.includes(item.id));
    const counting = own.filter((act) => act.type !== "corrected" && !withdrawn.has(act.event_id));
    const told = { ...item, acts: counting, passed: false, standing: standingOf(own) };
    for (const act of own) {
      const undone = act.type === "corrected" && isNewsOf(act) && own.find((other) => other.event_id === act.local.corrects);
      if (undone && !isNewsOf(undone)) takeBack(told, undone);
      else if (isNewsOf(act) && counting.includes(act)) apply(told, act);
      else if (counting.includes(act)) told.passed = act.type === "passed_on";
    }
    const hasPaper = told.direction === "result" || told.state === "fetched";
    // What is out, and not with him, is out with a colleague.
    const isHis = told.state === "planned" || told.in_my_bag;
    return { ...told, open: OPEN.includes(told.state) && isHis && !told.passed, carried: told.in_my_bag && hasPaper && !told.passed };
  };
  const stops = signed.stops.map((/** @type {any} */ stop) => {
    const items = stop.items.map((/** @type {any} */ item) => told(item));
    const open = items.some((/** @type {any} */ item) => item.open);
    return { ...stop, ...placeOf(stop, news), items, open, standing: open ? "todo" : worst(items.map((/** @type {any} */ item) => item.standing)) };
  });
  const beside = takenOver(signed, acts, withdrawn).map((item) => told({ ...item, rule: rules.get(item.rule_digest) ?? UNKNOWN }, () => true));
  const extra = [...signed.extra.map((/** @type {any} */ item) => told(item)), ...beside];
  const all = beside.some((item) => item.rule === UNKNOWN) ? { ...signed.rules, [UNKNOWN]: unknownRule() } : signed.rules;
  return { ...signed, rules: all, stops: inOrder(stops, acts), extra, cash: cashOf(signed, news, acts, withdrawn), acts };
}

// The office moves a door for no worse pin (courier/domain/pins.py).
const WORST_PIN_M = 100;

/** Where the bearer has pinned the door since. @param {any} stop @param {Act[]} news */
function placeOf(stop, news) {
  const pin = news.findLast((act) => act.type === "pinned" && act.local.stop === stop.id && act.local.accuracy_m <= WORST_PIN_M);
  return pin ? { lat: pin.local.lat, lon: pin.local.lon, precision: "doorstep" } : {};
}

/**
 * The stops as the bearer put them last, with the times he was told then. What was done already, and what the office has planned
 * since, keeps its place; the numbers stay those of the plan.
 * @param {BagStop[]} stops @param {Act[]} acts
 */
function inOrder(stops, acts) {
  const wish = acts.findLast((act) => act.type === "reordered")?.local;
  if (!wish) return stops;
  const byId = new Map(stops.map((stop) => [stop.id, stop]));
  const wanted = wish.stops.filter((/** @type {string} */ id) => byId.get(id)?.open);
  const coming = wanted.values();
  return stops.map((stop) => {
    if (!wanted.includes(stop.id)) return stop;
    const id = /** @type {string} */ (coming.next().value);
    const moved = byId.get(id);
    return { ...moved, planned_at: moved.arrives_at, arrives_at: wish.arrives[id] ?? moved.arrives_at };
  });
}

const UNKNOWN = "unknown";
const unknownRule = () => ({ unknown: true, who: t("phone.take.rule_unknown"), show: {}, surrender: [], proofs: [] });

/**
 * What was taken over from colleagues, as their phones told it, until the signed day has it. Once the server has heard of it without
 * a doubt, its word counts: what it then does not name, and nothing was done with here, went elsewhere.
 * @param {any} signed @param {Act[]} acts @param {Set<string>} withdrawn
 */
function takenOver(signed, acts, withdrawn) {
  const named = new Set(itemsOf(signed).map((item) => item.id));
  const counting = acts.filter((act) => act.type !== "corrected" && !withdrawn.has(act.event_id));
  const found = new Map();
  for (const act of counting.filter((one) => one.type === "taken_over")) {
    const isSettled = act.seq <= signed.done.ack_through && ["applied", "duplicate"].includes(act.result ?? "");
    for (const item of act.local.items ?? []) {
      const isTouched = counting.some((later) => later.seq > act.seq && later.items.includes(item.id));
      if (!named.has(item.id) && (!isSettled || isTouched)) found.set(item.id, item);
    }
  }
  return [...found.values()];
}

/** The name of a rule that means the same on every phone. @param {any} rule @returns {Promise<string>} */
export const ruleDigest = async (rule) => (await digest(new TextEncoder().encode(JSON.stringify(rule)))).slice(0, 12);

/** The rules of the day by those names, where anything was taken over. @param {any} rules @param {Act[]} acts */
async function digestsOf(rules, acts) {
  if (!acts.some((act) => act.type === "taken_over")) return new Map();
  const pairs = Object.entries(rules).map(async ([ref, rule]) => /** @type {[string, string]} */ ([await ruleDigest(rule), ref]));
  return new Map(await Promise.all(pairs));
}

/** @param {any} item @param {Act} act */
function apply(item, act) {
  if (act.type === "noted") item.note = [item.note, act.local.text].filter(Boolean).join("\n");
  item.state = STATES[item.direction][act.type] ?? item.state;
  if (act.type === "taken_out" || act.type === "taken_over" || act.type === "fetched") item.in_my_bag = true;
  if (act.type === "taken_over" && OPEN.includes(item.state)) item.state = "out";
  if (act.type === "taken_over") item.passed = false;
  if (act.type === "handed_over" || act.type === "brought_back" || act.type === "passed_on") item.in_my_bag = false;
  if (act.type === "passed_on") item.passed = true;
}

/** What the server counts already is taken back on this phone. @param {any} item @param {Act} act */
function takeBack(item, act) {
  if (act.type === "passed_on") item.passed = false;
  else if (act.type === "brought_back") item.state = item.direction === "result" ? "out" : "fetched";
  else if (act.type !== "taken_over") item.state = AFTER_A_SLIP[act.type] ?? "out";
  item.in_my_bag = act.type !== "taken_out" && act.type !== "taken_over";
}

const RANKS = ["todo", "sent", "saved", "review"];
/** @param {string[]} standings */
const worst = (standings) => RANKS[Math.max(...standings.map((standing) => RANKS.indexOf(standing)))] ?? "todo";

/** How the acts of an item stand; without any of this phone's, what the server says of it was sent. @param {Act[]} own */
function standingOf(own) {
  const each = own.map((act) => {
    if (act.state === "review" || act.result === "accepted_with_conflict" || act.result === "quarantined") return "review";
    return act.state === "sent" ? "sent" : "saved";
  });
  return each.length ? worst(each) : "sent";
}

/**
 * The money of the day, with what was taken since the server was last heard.
 * @param {any} signed @param {Act[]} news @param {Act[]} acts @param {Set<string>} withdrawn
 */
function cashOf(signed, news, acts, withdrawn) {
  const lines = signed.cash.lines.map((/** @type {any} */ line) => ({ ...line }));
  const cash = { ...signed.cash, by_kind: { ...signed.cash.by_kind }, by_method: { ...signed.cash.by_method }, lines };
  const add = (/** @type {Act} */ act, /** @type {number} */ sign) => {
    for (const line of act.local.collections ?? []) {
      const dong = sign * line.amount_dong;
      addLine(lines, line, dong, signed);
      cash.by_kind[line.kind] = (cash.by_kind[line.kind] ?? 0) + dong;
      cash.by_method[line.method] = (cash.by_method[line.method] ?? 0) + dong;
      if (line.method === "cash") cash.carried_dong += dong;
    }
  };
  for (const act of news) {
    if (act.type !== "corrected" && !withdrawn.has(act.event_id)) add(act, 1);
    const undone = act.type === "corrected" && acts.find((other) => other.event_id === act.local.corrects);
    if (undone && undone.seq <= signed.done.ack_through) add(undone, -1);
  }
  cash.lines = lines.filter((/** @type {any} */ line) => line.amount_dong !== 0).sort(byPurpose);
  return cash;
}

/** @param {any[]} lines @param {any} line @param {number} dong @param {any} signed */
function addLine(lines, line, dong, signed) {
  const { kind, payee = null, method } = line;
  const same = lines.find((one) => one.kind === kind && one.payee === payee && one.method === method);
  if (same) {
    same.amount_dong += dong;
    return;
  }
  const charges = [...signed.stops.flatMap((/** @type {any} */ stop) => stop.items), ...signed.extra].flatMap((item) => item.charges);
  const payee_name = line.payee_name ?? charges.find((charge) => charge.payee === payee)?.payee_name ?? payee;
  lines.push({ kind, payee, payee_name, method, amount_dong: dong });
}

const purpose = (/** @type {any} */ line) => [line.kind, line.payee ?? "", line.method].join("|");
/** @param {any} one @param {any} other */
const byPurpose = (one, other) => (purpose(one) < purpose(other) ? -1 : 1);

// ----------------------------------------------------------------------------------------- what the screens ask of it
/** The day's items, on the route or beside it. @param {Day} known @returns {BagItem[]} */
export const itemsOf = (known) => [...known.stops.flatMap((/** @type {any} */ stop) => stop.items), ...known.extra];
/**
 * A stop by its id; what is in the bag beside the route has a door of its own, under the item's id.
 * @param {Day} known @param {string} id @returns {BagStop | undefined}
 */
export const stopOf = (known, id) => known.stops.find((/** @type {any} */ stop) => stop.id === id) ?? doors(known).find((door) => door.id === id);

/** The doors of what is in the bag beside the route: as stops, without a place in the order. @param {Day} known @returns {BagStop[]} */
export const doors = (known) =>
  known.extra.map((/** @type {any} */ item) => ({
    id: item.id,
    sequence: null,
    arrives_at: null,
    leaves_at: null,
    lat: item.lat ?? null,
    lon: item.lon ?? null,
    address: item.address,
    phone: item.phone,
    precision: null,
    why: [],
    leg: null,
    items: [item],
    open: item.open,
    standing: item.open ? "todo" : item.standing,
  }));

/** A stop's number in the plan, in words; what is beside the route has none. @param {BagStop} stop @param {string} key */
export const numberOf = (stop, key = "stop.planned") => (stop.sequence === null ? t("phone.door.off_route") : t(key, { number: stop.sequence }));

/** The door of an item, on the route or beside it. @param {Day} known @param {BagItem} item @returns {BagStop} */
export const doorOf = (known, item) =>
  [...known.stops, ...doors(known)].find((stop) => stop.items.some((/** @type {any} */ other) => other.id === item.id));
/** Papers that are with the bearer now. @param {Day} known */
export const carried = (known) => itemsOf(known).filter((item) => item.carried);
/** Items of the route that he has not taken into his bag yet. @param {Day} known */
export const toLoad = (known) => itemsOf(known).filter((item) => item.state === "planned" && !item.in_my_bag && !item.passed);
/**
 * The count of the morning, which the office sees too: papers of the route that went into the bag, of those that should. A dossier
 * that is to be fetched is no paper yet.
 * @param {Day} known @returns {{done: number, all: number}}
 */
export function loaded(known) {
  const papers = known.stops.flatMap((/** @type {any} */ stop) => stop.items).filter((/** @type {any} */ item) => item.direction === "result");
  return { done: papers.filter((/** @type {any} */ item) => item.state !== "planned").length, all: papers.length };
}
const ON_THE_WAY = ["out", "attempted", "fetched"];
/** What the bearer can give to a colleague: papers in his bag, and dossiers that he set out for. @param {Day} known */
export const givable = (known) => itemsOf(known).filter((item) => item.in_my_bag && !item.passed && ON_THE_WAY.includes(item.state));

/**
 * The bag of the evening: where each paper that was in it is now, `fetched` those that came from citizens. `left` must become empty,
 * and so must `tasks`: dossiers that were not fetched, of which there is no paper.
 * @param {Day} known
 * @returns {{loaded: number, fetched: number, delivered: BagItem[], brought: BagItem[], passed: BagItem[], left: BagItem[],
 *   tasks: BagItem[], never: BagItem[], unconfirmed: BagItem[]}} `never`: of the route, but never in the bag; `unconfirmed`: passed
 *   on, and the colleague's phone has not said so yet
 */
export function balance(known) {
  const places = /** @type {Record<string, BagItem[]>} */ ({ delivered: [], brought: [], passed: [], left: [], tasks: [], never: [], none: [] });
  for (const item of itemsOf(known)) places[whereabouts(item)].push(item);
  const { delivered, brought, passed, left, tasks, never } = places;
  const papers = [...delivered, ...brought, ...passed, ...left];
  const fetched = papers.filter((item) => item.direction === "submission").length;
  const unconfirmed = passed.filter((item) => item.in_my_bag);
  return { loaded: papers.length - fetched, fetched, delivered, brought, passed, left, tasks, never, unconfirmed };
}

/** @param {BagItem} item */
function whereabouts(item) {
  const isPaper = item.direction === "result" || ["fetched", "at_office", "lodged"].includes(item.state);
  if (item.carried) return "left";
  if (!isPaper) return item.in_my_bag && !item.passed && item.state === "out" ? "tasks" : "none";
  if (item.state === "planned" && !item.passed) return "never";
  const last = item.acts.filter((/** @type {Act} */ act) => act.type in STATES[item.direction] || /^passed_on$|^taken_over$/.test(act.type)).at(-1);
  // Given away, whatever the colleague has done with it since.
  if (item.passed || last?.type === "passed_on" || ON_THE_WAY.includes(item.state)) return "passed";
  return item.state === "delivered" ? "delivered" : "brought";
}
/** @param {BagItem} item */
export const canHandOver = (item) => item.direction === "result" && [...OPEN, "attempted"].includes(item.state) && !item.passed;
/** @param {BagItem} item */
export const canFetch = (item) => item.direction === "submission" && item.open;
/** Acts that a postman takes back by himself. */
export const UNDOABLE = ["handed_over", "attempt_failed", "fetched", "brought_back", "passed_on", "taken_over", "taken_out"];
/** This phone's acts that count at a stop, oldest first. @param {BagStop} stop @returns {Act[]} */
export const actsAt = (stop) =>
  [...new Set(stop.items.flatMap((/** @type {any} */ item) => item.acts))].sort((one, other) => one.seq - other.seq);
/** @param {Act} act */
export const standingOfAct = (act) => standingOf([act]);

/**
 * Letters without their marks and cases, single spaces: what is typed in haste finds what is written well. Composed and decomposed
 * letters are the same.
 * @param {string} text
 */
export const plain = (text) =>
  text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("\u0111", "d").replace(/\s+/g, " ").trim();

/** Everything by which a stop is found. @param {BagStop} stop */
export const searchable = (stop) =>
  plain([stop.sequence, stop.address, stop.phone, ...stop.items.flatMap((/** @type {any} */ item) => [item.recipient, item.barcode])].join(" "));

// --------------------------------------------------------------------------------------------------- asking for it
/** Ask for a newer version of the day. What cannot be had now, or is not signed by our server, leaves the old one standing. */
/** @returns {Promise<void>} */
export async function load() {
  const me = await outbox.me();
  if (!me || !vault.isOpen()) return;
  const date = calendarDay();
  const known = await readSigned();
  let answer;
  try {
    const headers = known ? { "If-None-Match": `"${date}-${known.version}"` } : {};
    answer = settled(await ask(`/api/v1/sync/bag?date=${date}`, { headers }));
  } catch (fault) {
    if (fault instanceof Unanswered) return;
    throw fault;
  }
  // A phone with a wrong clock learns by the answer which day it is.
  if (calendarDay() !== date) return load();
  await outbox.heard();
  if (answer.status === 304 && known) return keepPictures(known);
  if (answer.status !== 200 || !(await isSigned(answer, me.signing_key))) return;
  const sealed = await vault.close(answer.json());
  await tx("bags", "readwrite", async (store) => {
    for (const key of await store("bags").keys()) if (!String(key).endsWith(`|${date}`)) await store("bags").drop(key);
    await store("bags").put({ sealed }, `${me.staff.id}|${date}`);
  });
  kept = null;
  for (const watcher of watchers) watcher();
  keepPictures(answer.json());
}

/** Beside everything else, and only where there is one to keep. @param {any} signed */
function keepPictures(signed) {
  const items = [...signed.stops.flatMap((/** @type {any} */ stop) => stop.items), ...signed.extra];
  if (items.some((item) => item.gate_photo_sha256)) void import("./doorway.js").then((doorway) => doorway.keepPictures(signed));
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
