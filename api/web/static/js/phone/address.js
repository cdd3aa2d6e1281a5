// @ts-check
// What the bearer knows of an address: a note for whoever comes next, and where its door really is.

import * as bag from "./bag.js";
import { bar, button, clock, go, h, heading, leaveNote, say, t } from "./dom.js";
import * as outbox from "./outbox.js";
import { isKept, isSafe } from "./saving.js";
import { metresBetween } from "./way.js";

const LONGEST = 500;
// A door is found again within this; beyond it the bearer is asked first.
const GOOD_M = 50;
const OLD_MS = 2 * 60_000;
const LOOK_MS = 2_000;

/** @param {{id: string}} params @param {AbortSignal} signal */
export async function screen({ id }, signal) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, id);
  if (!stop) return h("div", { class: "stack" }, heading(t("phone.address.title")), say("warn", "info", h("p", t("phone.door.gone"))));
  const told = h("div");
  const notes = [...new Set(stop.items.map((/** @type {any} */ item) => item.note).filter(Boolean))];
  const root = h(
    "div",
    { class: "stack" },
    heading(t("phone.address.title"), `/stop/${stop.id}`),
    h("p", { class: "soft" }, `${bag.numberOf(stop)} ${stop.address}`),
    notes.map((note) => say("", "info", h("p", { class: "lines" }, note))),
    told,
  );
  const pin = await pinPart(stop, told, signal);
  root.append(pin, ...(await notePart(stop, told)));
  return root;
}

/** @param {any} stop */
const allOf = (stop) => stop.items.map((/** @type {any} */ item) => item.id);

/**
 * One act from a form whose id stands in its draft.
 * @param {Parameters<typeof outbox.record>[0]} act @param {any} stop @param {HTMLElement} told @param {string} words
 */
async function save(act, stop, told, words) {
  if (!(await isSafe(told, () => outbox.record(act)))) return;
  leaveNote(words);
  history.replaceState(null, "", "#/");
  go(`/stop/${stop.id}`);
}

/** The form of a draft with the id of its act, kept from the first moment. @param {string} key @param {any} fresh @param {HTMLElement} told */
async function draftOf(key, fresh, told) {
  const form = (await outbox.drafts.get(key)) ?? { event_id: outbox.newId(), ...fresh };
  const keep = () => isKept(told, () => outbox.drafts.put(key, form));
  await keep();
  return { form, keep };
}

// ----------------------------------------------------------------------------------------------------------- note
/** @param {any} stop @param {HTMLElement} told */
async function notePart(stop, told) {
  const key = `note|${stop.id}`;
  const { form, keep } = await draftOf(key, { text: "" }, told);
  const text = h("textarea", { id: "text", maxlength: LONGEST, "aria-describedby": "text-hint" });
  text.value = form.text;
  text.addEventListener("input", () => {
    form.text = text.value;
    void keep();
  });
  const tap = () => {
    const words = form.text.trim();
    if (!words) {
      told.replaceChildren(say("bad", "alert", h("p", t("phone.address.empty"))));
      told.scrollIntoView({ block: "center" });
      return undefined;
    }
    const local = { stop: stop.id, sequence: stop.sequence, text: words };
    return save({ event_id: form.event_id, type: "noted", items: allOf(stop), data: { text: words }, local, draft: key }, stop, told, t("phone.address.noted"));
  };
  return [
    h("div", { class: "field" }, h("label", { for: "text" }, t("phone.address.note")), h("span", { class: "hint", id: "text-hint" }, t("phone.address.hint")), text),
    bar(button("check", t("phone.address.save"), { look: "main", id: "save", on: { click: tap } })),
  ];
}

// ------------------------------------------------------------------------------------------------------------ pin
/** @param {any} stop @param {HTMLElement} told @param {AbortSignal} signal */
async function pinPart(stop, told, signal) {
  const key = `pin|${stop.id}`;
  const { form } = await draftOf(key, {}, told);
  const box = h("section", { class: "card", id: "pin", "aria-label": t("phone.address.pin") });
  let asks = false;
  let drawn = "";
  const put = (/** @type {any} */ fix) => {
    const data = { lat: fix.lat, lon: fix.lon, accuracy_m: fix.accuracy_m };
    const local = { stop: stop.id, sequence: stop.sequence, ...data };
    return save({ event_id: form.event_id, type: "pinned", items: allOf(stop), data, local, draft: key }, stop, told, t("phone.address.pinned", { metres: fix.accuracy_m }));
  };
  const draw = () => {
    const fix = outbox.lastFix();
    const mark = JSON.stringify([fix?.at, fix?.accuracy_m, asks]);
    if (mark === drawn) return;
    drawn = mark;
    if (!fix) {
      box.replaceChildren(h("h2", t("phone.address.pin")), h("p", t("phone.address.no_fix")));
      return;
    }
    const isPoor = fix.accuracy_m > GOOD_M;
    const isOld = Date.now() - Date.parse(fix.at) > OLD_MS;
    const doubt = isPoor ? t("phone.address.poor", { metres: fix.accuracy_m }) : isOld ? t("phone.address.old", { time: clock(fix.at) }) : "";
    const tap = () => {
      if (!doubt || asks) return put(fix);
      asks = true;
      draw();
      document.getElementById("pin-anyway")?.focus();
      return undefined;
    };
    box.replaceChildren(
      h("h2", t("phone.address.pin")),
      h("p", t("phone.address.fix", { metres: fix.accuracy_m, time: clock(fix.at) })),
      ...(stop.lat === null ? [] : [h("p", { class: "soft" }, t("phone.address.moves", { metres: Math.round(metresBetween(fix, stop)) }))]),
      ...(doubt && asks ? [say("warn", "alert", h("p", doubt))] : []),
      button("pin", t(doubt && asks ? "phone.address.anyway" : "phone.address.here"), { look: "wide", id: doubt && asks ? "pin-anyway" : "pin-here", on: { click: tap } }),
    );
  };
  draw();
  const timer = setInterval(draw, LOOK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  return box;
}
