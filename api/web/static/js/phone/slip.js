// @ts-check
// The slip of a bag that changes hands on the way: from one phone's screen to the other's camera, both without a signal. It holds
// what the receiver needs at the doors and no more: no ID number, no word for the kind of paper.

import * as bag from "./bag.js";
import { digest, fromText, toText } from "./seal.js";

const FRAME = "BUUTA1";
const ANSWER = "BUUTA2";
// What a cheap camera reads at an arm's length from a cracked screen.
const LONGEST = 360;
const utf8 = new TextEncoder();

/**
 * What went from hand to hand.
 * @typedef {{v: 1, date: string, office: string, from: {id: string, name: string}, payees: Record<string, string>,
 *   items: any[]}} Slip `items` as `given` makes them
 */

/**
 * An item as it stands on a slip; short names, because every letter is a square on the screen.
 * @param {import("./bag.js").BagItem} item @param {any} door where it is due @param {string} rule the digest of its release rule
 */
const given = (item, door, rule) => ({
  i: item.id,
  b: item.barcode,
  t: item.document_type,
  d: item.direction,
  s: item.state,
  n: item.recipient,
  a: door.address,
  h: door.phone ?? undefined,
  g: door.lat === null || door.lat === undefined ? undefined : [door.lat, door.lon],
  u: item.authorised ?? undefined,
  m: item.instructions ?? undefined,
  l: item.deliver_by ?? undefined,
  c: item.charges.map((/** @type {any} */ charge) => [charge.id, charge.kind, charge.payee, charge.amount_dong]),
  r: rule,
});

/**
 * @param {any} known the giver's day @param {any[]} items what he gives
 * @returns {Promise<Slip>}
 */
export async function write(known, items) {
  const payees = /** @type {Record<string, string>} */ ({});
  for (const charge of items.flatMap((item) => item.charges)) payees[charge.payee] = charge.payee_name;
  const rows = items.map(async (item) => given(item, bag.doorOf(known, item), await bag.ruleDigest(known.rules[item.rule])));
  return { v: 1, date: known.date, office: known.office.code, from: known.postman, payees, items: await Promise.all(rows) };
}

/**
 * The items of a slip as the receiver's bag holds them.
 * @param {Slip} slip
 * @returns {any[]}
 */
export const itemsOf = (slip) =>
  slip.items.map((row) => ({
    id: row.i,
    barcode: row.b,
    document_type: row.t,
    direction: row.d,
    state: row.s,
    in_my_bag: true,
    recipient: row.n,
    note: "",
    instructions: row.m ?? null,
    authorised: row.u ?? null,
    window: null,
    deliver_by: row.l ?? null,
    charges: row.c.map(([id, kind, payee, amount_dong]) => ({ id, kind, payee, payee_name: slip.payees[payee] ?? payee, amount_dong })),
    rule_digest: row.r,
    digests: {},
    last4: false,
    address: row.a,
    phone: row.h ?? null,
    lat: row.g?.[0] ?? null,
    lon: row.g?.[1] ?? null,
  }));

// --------------------------------------------------------------------------------------------------------- in frames
/** @param {string} text @returns {Promise<string>} its digest, short enough for every frame */
const mark = async (text) => (await digest(utf8.encode(text))).slice(0, 16);

/**
 * The slip as texts for codes, each with its number and the digest of the whole.
 * @param {Slip} slip
 * @returns {Promise<string[]>}
 */
export async function toFrames(slip) {
  const body = toText(await through(new CompressionStream("deflate"), utf8.encode(JSON.stringify(slip))));
  const name = await mark(body);
  const count = Math.ceil(body.length / LONGEST);
  return Array.from({ length: count }, (_, at) => `${FRAME}:${name}:${at + 1}/${count}:${body.slice(at * LONGEST, (at + 1) * LONGEST)}`);
}

/** Frames as they are seen, in any order; frames of another slip begin anew. */
export class Frames {
  name = "";
  count = 0;
  /** @type {Map<number, string>} */
  seen = new Map();

  /**
   * @param {string} text what a camera read
   * @returns {"new" | "known" | "foreign"} `foreign`: no frame of a slip
   */
  add(text) {
    const [, name, number, count, piece] = text.match(/^BUUTA1:([0-9a-f]{16}):(\d{1,3})\/(\d{1,3}):([\w-]+)$/) ?? [];
    if (!name || Number(number) < 1 || Number(number) > Number(count)) return "foreign";
    if (name !== this.name || Number(count) !== this.count) {
      this.name = name;
      this.count = Number(count);
      this.seen.clear();
    }
    if (this.seen.has(Number(number))) return "known";
    this.seen.set(Number(number), piece);
    return "new";
  }

  isWhole = () => this.count > 0 && this.seen.size === this.count;

  /**
   * The slip, once all frames were seen; null when they do not fit together: then they are forgotten.
   * @returns {Promise<Slip | null>}
   */
  async read() {
    const body = Array.from({ length: this.count }, (_, at) => this.seen.get(at + 1)).join("");
    if ((await mark(body)) !== this.name) {
      this.seen.clear();
      return null;
    }
    try {
      return JSON.parse(new TextDecoder().decode(await through(new DecompressionStream("deflate"), fromText(body))));
    } catch (fault) {
      // Whole, but no slip that this build can read.
      reportError(fault);
      this.seen.clear();
      return null;
    }
  }
}

/** @param {CompressionStream | DecompressionStream} stream @param {Uint8Array<ArrayBuffer>} bytes */
const through = async (stream, bytes) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

// --------------------------------------------------------------------------------------------------------- the answer
/**
 * Six digits that both phones reckon from the same items: who has them has taken over exactly these.
 * @param {string[]} ids
 * @returns {Promise<string>}
 */
export async function checkOf(ids) {
  const hex = await digest(utf8.encode(`taken over|${[...ids].sort().join(",")}`));
  return String(parseInt(hex.slice(0, 12), 16) % 1_000_000).padStart(6, "0");
}

/**
 * What the receiver's phone shows for the giver's camera.
 * @param {string} check @param {{id: string, name: string}} by
 */
export const answer = (check, by) => `${ANSWER}:${check}:${by.id}:${toText(utf8.encode(by.name))}`;

/**
 * @param {string} text
 * @returns {{check: string, to: {id: string, name: string}} | null} null for what is no answer
 */
export function readAnswer(text) {
  const [, check, id, name] = text.match(/^BUUTA2:(\d{6}):([0-9a-f-]{36}):([\w-]+)$/) ?? [];
  return check ? { check, to: { id, name: new TextDecoder().decode(fromText(name)) } } : null;
}
