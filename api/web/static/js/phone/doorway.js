// @ts-check
// Pictures of gates, there without a signal: fetched with the day in the order of the doors, as many as fit, and kept closed by the
// vault like the day itself. A picture counts only when it is the one that the signed day names.

import { tx } from "./db.js";
import { h, t } from "./dom.js";
import { ask, Unanswered } from "./net.js";
import * as outbox from "./outbox.js";
import { digest } from "./seal.js";
import * as vault from "./vault.js";

/** So much of a day's pictures a phone fetches and keeps: some twenty of them. */
export const MOST_BYTES = 4 * 1024 * 1024;

/** Dropped with the day: the key ends as that of the day does. @param {any} item @param {string} staff @param {string} date */
const placeOf = (item, staff, date) => `gate|${staff}|${item.gate_photo_sha256}|${date}`;

let busy = false;
/** What the bearer has open stays open when the screen is drawn anew. @type {Set<string>} */
const looked = new Set();

/** Fetch what is not here yet. What cannot be had now is asked for with the next look at the day. @param {any} day the signed day */
export async function keepPictures(day) {
  const me = await outbox.me();
  if (busy || !me) return;
  busy = true;
  try {
    const items = [...day.stops.flatMap((/** @type {any} */ stop) => stop.items), ...day.extra];
    const wanted = [...new Map(items.filter((item) => item.gate_photo_sha256).map((item) => [item.gate_photo_sha256, item])).values()];
    let bytes = 0;
    for (const item of wanted) {
      const place = placeOf(item, me.staff.id, day.date);
      const row = await tx("bags", "readonly", (store) => store("bags").get(place));
      const size = row ? row.size : await keep(item, place, MOST_BYTES - bytes);
      if (size === null) return;
      bytes += size;
    }
  } finally {
    busy = false;
  }
}

/**
 * @param {any} item @param {string} place @param {number} room in bytes
 * @returns {Promise<number | null>} its bytes, 0 where it is no picture of ours or too large, null where nothing more can be had now
 */
async function keep(item, place, room) {
  let answer;
  try {
    answer = await ask(`/api/v1/items/${item.id}/gate-photo`);
  } catch (fault) {
    if (fault instanceof Unanswered) return null;
    throw fault;
  }
  if (answer.status === 429 || answer.status >= 500) return null;
  if (answer.status !== 200 || answer.bytes.length > room || (await digest(answer.bytes)) !== item.gate_photo_sha256) return 0;
  if (!vault.isOpen()) return null;
  const size = answer.bytes.length;
  const sealed = await vault.close({ bytes: answer.bytes });
  try {
    await tx("bags", "readwrite", (store) => store("bags").put({ sealed, size }, place));
  } catch (fault) {
    // A full phone keeps its room for acts; the picture is one tap away while there is a signal.
    if (fault instanceof DOMException && fault.name === "QuotaExceededError") return null;
    throw fault;
  }
  return size;
}

/** The picture of an item's gate, or the way to it where it is not on this phone. @param {any} item @param {string} date @param {AbortSignal} signal */
export async function picturePart(item, date, signal) {
  const me = await outbox.me();
  const row = me && vault.isOpen() ? await tx("bags", "readonly", (store) => store("bags").get(placeOf(item, me.staff.id, date))) : null;
  if (!row) return h("p", h("a", { href: `/api/v1/items/${item.id}/gate-photo`, target: "_blank", rel: "noopener" }, t("stop.gate_photo")));
  const { bytes } = await vault.open(row.sealed);
  const address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(address));
  const box = h("details", { class: "more", dataset: { gate: item.id }, open: looked.has(item.id) }, h("summary", t("stop.gate_photo")), h("img", { class: "gate-photo", src: address, alt: t("stop.gate_photo") }));
  box.addEventListener("toggle", () => (box.open ? looked.add(item.id) : looked.delete(item.id)));
  return box;
}
