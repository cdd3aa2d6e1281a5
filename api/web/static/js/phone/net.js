// @ts-check
// Asking the server, and knowing whether it was the server that answered. A portal of some network answers too, with pages of
// its own and 200: nothing it says counts. Also the server's clock, as far as this run of the page has seen it.

const PATIENCE_MS = 30_000;
// A phone that slept, or whose clock was set, lets the two clocks drift apart: then neither proves anything.
const MOST_DRIFT_MS = 60_000;
// A word of the server that is earlier by more than its second and a slow way means that its clock was set back.
const MOST_AHEAD_MS = 10_000;

/** Why a request came to nothing: `none` no answer, `portal` somebody else's answer, `busy` the server cannot now. */
export class Unanswered extends Error {
  /**
   * @param {"none" | "portal" | "busy"} why
   * @param {number | null} [retryAfterMs]
   */
  constructor(why, retryAfterMs = null) {
    super(why);
    this.why = why;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @typedef {{status: number, headers: Headers, bytes: Uint8Array<ArrayBuffer>, ours: boolean, json: () => any, code: string}} Answer */

/**
 * Ask the server. Answers of any status come back; `ours` says that it can only be our server's.
 * @param {string} path
 * @param {{method?: string, headers?: Record<string, string>, json?: unknown, body?: BodyInit, patience?: number}} [options]
 * @returns {Promise<Answer>}
 */
export async function ask(path, { method = "GET", headers = {}, json, body, patience = PATIENCE_MS } = {}) {
  const all = { "X-Requested-With": "phone", Accept: "application/json", ...headers };
  if (json !== undefined) all["Content-Type"] = "application/json";
  let answer, bytes;
  try {
    answer = await fetch(path, {
      method,
      headers: all,
      body: json === undefined ? body : JSON.stringify(json),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(patience),
    });
    bytes = new Uint8Array(await answer.arrayBuffer());
  } catch {
    throw new Unanswered("none");
  }
  const kind = (answer.headers.get("content-type") ?? "").split(";")[0];
  const ours =
    answer.type !== "opaqueredirect" &&
    (kind === "application/json" ||
      kind === "application/problem+json" ||
      (bytes.length === 0 && (answer.status === 204 || answer.status === 304 || method === "HEAD")));
  const read = once(() => (ours && bytes.length ? JSON.parse(new TextDecoder().decode(bytes)) : null));
  if (ours) hearClock(answer.headers.get("date"));
  return {
    status: answer.status,
    headers: answer.headers,
    bytes,
    ours,
    json: read,
    get code() {
      return read()?.code ?? "";
    },
  };
}

/**
 * The answer, if it is one to act on: ours, and not a server in trouble.
 * @param {Answer} answer
 */
export function settled(answer) {
  if (answer.status === 429 || answer.status >= 500) {
    throw new Unanswered("busy", retryAfter(answer.headers.get("retry-after")));
  }
  if (!answer.ours) throw new Unanswered("portal");
  return answer;
}

/** @param {string | null} text seconds or a date */
function retryAfter(text) {
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** @template T @param {() => T} make @returns {() => T} */
function once(make) {
  /** @type {{made: T} | null} */
  let kept = null;
  return () => {
    try {
      kept ??= { made: make() };
    } catch {
      throw new Unanswered("portal");
    }
    return kept.made;
  };
}

// ------------------------------------------------------------------------------------------------------- the clock
const bootId = crypto.randomUUID();
/** @type {{server: number, monotonic: number, wall: number} | null} */
let anchor = null;

/**
 * Of what the server has said the word that is nearest to the truth is kept: each is early by up to a second and the way here.
 * @param {string | null} date the server's word, in whole seconds: never later than the truth
 */
function hearClock(date) {
  const server = date ? Date.parse(date) : NaN;
  if (!Number.isFinite(server)) return;
  notBefore(server);
  const found = believable();
  const ahead = found ? told(found) - server : -1;
  if (ahead < 0 || ahead > MOST_AHEAD_MS) anchor = { server, monotonic: performance.now(), wall: Date.now() };
}

/** @type {{moment: number, monotonic: number}} */
let earliest = { moment: 0, monotonic: 0 };

/** It is later than this: the server was heard then, perhaps in an earlier run. @param {number} moment ms since 1970 */
export function notBefore(moment) {
  if (moment > atLeast()) earliest = { moment, monotonic: performance.now() };
}

const atLeast = () => earliest.moment + performance.now() - earliest.monotonic;

/** The phone's own clock, unless it is certainly slow. */
const wall = () => Math.max(Date.now(), atLeast());

/** The anchor, while the two clocks of the phone agree that no time is missing. */
function believable() {
  if (!anchor) return null;
  const missing = Date.now() - anchor.wall - (performance.now() - anchor.monotonic);
  return missing > MOST_DRIFT_MS ? null : anchor;
}

/** @param {{server: number, monotonic: number}} found */
const told = (found) => found.server + (performance.now() - found.monotonic);

/** The best guess of the time: the server's clock and what has passed since, else the phone's. */
export function now() {
  const found = believable();
  return found ? told(found) : wall();
}

// The last acts of this phone: by the server's clock, in any run, and by its own in this one.
let acted = 0;
let guessed = 0;

/** An earlier run or another tab recorded an act then. @param {number} moment ms since 1970 */
export function actedAt(moment) {
  acted = Math.max(acted, moment);
  notBefore(moment);
}

/**
 * The moment of an act and what it tells about its clocks; the anchor only where the server was heard in this run of the page.
 * No act comes before an earlier one, however the clocks are corrected in between: what follows from what hangs on it.
 * @returns {{at: number, anchored: boolean, occurred_at: string, clock: object}}
 */
export function stamp() {
  const found = believable();
  const monotonic_ms = Math.round(performance.now());
  if (!found) {
    guessed = Math.max(Math.floor(wall()) + 1, guessed + 1);
    return { at: guessed, anchored: false, occurred_at: iso(guessed), clock: { boot_id: bootId, monotonic_ms } };
  }
  const moment = Math.floor(told(found));
  // A server that was an hour fast when an act was recorded does not move those of the next hour.
  acted = acted - moment > MOST_DRIFT_MS ? moment : Math.max(moment, acted + 1);
  notBefore(acted);
  const anchored = { server_time: iso(acted), monotonic_ms };
  return { at: acted, anchored: true, occurred_at: iso(Date.now()), clock: { boot_id: bootId, monotonic_ms, anchor: anchored } };
}

/** @param {number} moment */
const iso = (moment) => new Date(moment).toISOString();
