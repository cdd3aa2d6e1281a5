// @ts-check
// A failed attempt, two taps from the door: the reason, with the next day by the attempt rule beside each. A reason that asks for
// more than the postman has done already opens one more step, and even there the truth can be saved without it.

import * as bag from "./bag.js";
import { callsTo, noteCall } from "./calls.js";
import { bar, button, clock, go, h, heading, icon, language, say, t, visitDay } from "./dom.js";
import * as outbox from "./outbox.js";
import { camera } from "./photo.js";
import { isKept, isSafe } from "./saving.js";
import { isSigned, pad, png } from "./sign.js";

// Behaviour 34: no more than eight are read before one is chosen. These are the most frequent at a door.
const FIRST = [
  "recipient_absent",
  "no_contact",
  "rescheduled_at_door",
  "address_wrong",
  "refused",
  "surrender_missing",
  "payment_refused",
  "access_blocked",
];
// The measure of this reason asks for two calls (data/attempt_rules.json).
const CALLS_ASKED = 2;
const LONGEST = 300;
const PHOTOS = ["photo_place", "photo_item"];

/**
 * @typedef {{event_id: string, taken_id: string, left_out: string[], next_on: string, reason: string | null, note: string,
 *   witness: string, photo: Blob | null, strokes: import("./sign.js").Strokes}} Form
 */

/** @param {{id: string}} params @param {AbortSignal} signal */
export async function screen({ id }, signal) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, id);
  if (!stop) return h("div", { class: "stack" }, heading(t("phone.failed.title")), say("warn", "info", h("p", t("phone.door.gone"))));
  const open = stop.items.filter((/** @type {any} */ item) => item.open);
  const root = h("div", { class: "stack" });
  if (!open.length) {
    root.append(heading(t("phone.failed.title"), `/stop/${stop.id}`), say("", "info", h("p", t("phone.failed.nothing_open"))));
    return root;
  }
  const key = `failed|${stop.id}`;
  const told = h("div");
  /** @type {Form} */
  const form = (await outbox.drafts.get(key)) ?? {
    event_id: outbox.newId(),
    taken_id: outbox.newId(),
    left_out: [],
    next_on: "",
    reason: null,
    note: "",
    witness: "",
    photo: null,
    strokes: [],
  };
  // Fixed before anything can be tapped: a second tap, or the app coming back from the dead, is the same act.
  const keep = () => isKept(told, () => outbox.drafts.put(key, form));
  const calls = await callsTo(stop.id);
  const at = { known, stop, open, form, key, told, calls, keep };
  const draw = () => {
    if (signal.aborted) return;
    const reason = known.reasons.find((/** @type {any} */ one) => one.code === form.reason);
    root.replaceChildren(...(reason ? evidence(at, reason, draw) : reasons(at, draw)));
  };
  await keep();
  draw();
  return root;
}

/** What this attempt is about. @param {any} at */
const chosen = ({ open, form }) => open.filter((/** @type {any} */ item) => !form.left_out.includes(item.id));

/** What follows from a reason: a day, or a word. @param {any} at @param {any} reason */
function outcome(at, reason) {
  const last = reason.counts && reason.then === "retry" && chosen(at).every((/** @type {any} */ item) => item.last_try);
  const next_on = reason.then !== "retry" || last ? null : at.form.next_on || reason.next_on;
  if (next_on) return { next_on, words: t("phone.failed.next", { day: visitDay(next_on) }) };
  return { next_on: null, words: last ? t("phone.failed.last") : t(`phone.failed.then.${reason.then}`) };
}

/** @param {any} reason */
const nameOf = (reason) => (language() === "en" ? reason.en : reason.vi);

/** Whether a tap tells all that the reason asks for. @param {any} at @param {any} reason */
const isTold = (at, reason) =>
  reason.evidence.every((/** @type {string} */ kind) => kind === "notice_left" || (kind === "call_log" && at.calls.length >= CALLS_ASKED));

/** First tap was at the door, the second is here. @param {any} at @param {() => void} draw */
function reasons(at, draw) {
  const { known, stop, open, form, told } = at;
  const one = (/** @type {any} */ reason) =>
    h(
      "button",
      { type: "button", class: "pick", dataset: { reason: reason.code }, on: { click: () => choose(reason) } },
      h(
        "span",
        h("span", { class: "strong" }, nameOf(reason)),
        h("br"),
        h("span", { class: "next-day" }, outcome(at, reason).words),
        h("br"),
        h("span", { class: "soft small" }, asked(at, reason)),
      ),
    );
  const choose = async (/** @type {any} */ reason) => {
    if (!chosen(at).length) {
      told.replaceChildren(say("bad", "alert", h("p", t("phone.failed.no_items"))));
      told.scrollIntoView({ block: "center" });
    } else if (isTold(at, reason)) await save(at, reason);
    else {
      form.reason = reason.code;
      await at.keep();
      draw();
      scrollTo(0, 0);
    }
  };
  const first = FIRST.flatMap((code) => known.reasons.filter((/** @type {any} */ reason) => reason.code === code));
  const others = known.reasons.filter((/** @type {any} */ reason) => !FIRST.includes(reason.code));
  const list = h("div", { class: "stack tight reasons", id: "reasons" });
  const fill = () =>
    list.replaceChildren(
      ...first.map(one),
      h("details", { class: "more", id: "others" }, h("summary", t("phone.failed.others")), h("div", { class: "stack tight" }, others.map(one))),
    );
  fill();
  return [
    heading(t("phone.failed.title"), `/stop/${stop.id}`),
    h("p", { class: "soft" }, `${bag.numberOf(stop, "phone.failed.stop")} · ${stop.address}`),
    told,
    h(
      "details",
      { class: "more card", id: "choices", open: form.next_on !== "" || form.left_out.length > 0 },
      h("summary", icon("clock"), t(open.length > 1 ? "phone.failed.choices" : "phone.failed.other_day")),
      days(at, fill),
      open.length > 1 && items(at, fill),
    ),
    h("p", { class: "strong" }, t("phone.failed.choose")),
    list,
  ];
}

/** What will be asked, or is told by the tap alone. @param {any} at @param {any} reason */
function asked(at, reason) {
  return reason.evidence
    .map((/** @type {string} */ kind) =>
      kind === "call_log" ? t("phone.failed.calls", { count: at.calls.length }) : t(`phone.failed.evidence.${kind}`),
    )
    .join(", ");
}

/** The day of the next attempt, by the rule or as agreed. @param {any} at @param {() => void} changed */
function days(at, changed) {
  const { known, form, keep } = at;
  const select = h(
    "select",
    { id: "next_on" },
    h("option", { value: "" }, t("phone.failed.by_rule")),
    known.next_days.map((/** @type {string} */ day) => h("option", { value: day, selected: form.next_on === day }, visitDay(day))),
  );
  select.addEventListener("change", () => {
    form.next_on = select.value;
    void keep();
    changed();
  });
  return h("div", { class: "field" }, h("label", { for: "next_on" }, t("phone.failed.next_on")), select);
}

/** Everything that is still open here, or some of it. @param {any} at @param {() => void} changed */
function items(at, changed) {
  const { open, form, keep } = at;
  const box = (/** @type {any} */ item) => {
    const input = h("input", { type: "checkbox", name: "items", value: item.id, checked: !form.left_out.includes(item.id) });
    input.addEventListener("change", () => {
      form.left_out = form.left_out.filter((/** @type {string} */ id) => id !== item.id);
      if (!input.checked) form.left_out.push(item.id);
      void keep();
      changed();
    });
    return h("label", { class: "pick" }, input, h("span", item.recipient, h("br"), h("span", { class: "code" }, item.barcode)));
  };
  return h("fieldset", h("legend", t("phone.failed.items")), open.map(box));
}

// ------------------------------------------------------------------------------------------------------- evidence
/** The step of a reason that asks for more. @param {any} at @param {any} reason @param {() => void} draw */
function evidence(at, reason, draw) {
  const { stop, form, told, keep } = at;
  const then = h("p", { class: "strong next-day" });
  const fill = () => then.replaceChildren(outcome(at, reason).words);
  fill();
  const without = button("", t("phone.failed.without"), { look: "wide", id: "without", on: { click: () => save(at, reason) } });
  without.hidden = true;
  const done = async () => {
    const missing = reason.evidence.filter((/** @type {string} */ kind) => !has(at, kind));
    if (!missing.length) return save(at, reason);
    without.hidden = false;
    told.replaceChildren(
      say("warn", "alert", h("p", t("phone.failed.missing", { what: missing.map((/** @type {string} */ kind) => t(`phone.failed.evidence.${kind}`)).join(", ") }))),
    );
    told.scrollIntoView({ block: "center" });
  };
  const other = async () => {
    // What was taken for one reason is no evidence of another.
    Object.assign(form, { reason: null, photo: null, strokes: [] });
    told.replaceChildren();
    await keep();
    draw();
  };
  return [
    heading(nameOf(reason), `/stop/${stop.id}`),
    h("p", { class: "soft" }, `${bag.numberOf(stop, "phone.failed.stop")} · ${stop.address}`),
    h("p", { lang: "vi" }, reason.measure),
    then,
    reason.then === "retry" && days(at, fill),
    reason.evidence.map((/** @type {string} */ kind) => field(at, kind)),
    h("p", button("back", t("phone.failed.another"), { look: "quiet", id: "another", on: { click: other } })),
    told,
    bar(button("check", t("phone.failed.save"), { look: "main", id: "save", on: { click: done } }), without),
  ]
    .flat(2)
    .filter(Boolean);
}

/** @param {any} at @param {string} kind */
function field(at, kind) {
  const { stop, form, keep, calls } = at;
  if (kind === "call_log") {
    return h(
      "div",
      { class: "stack tight" },
      h("p", calls.length ? t("phone.failed.called", { times: calls.map(clock).join(", ") }) : t("phone.failed.not_called")),
      stop.phone && h("p", button("phone", t("stop.call"), { href: `tel:${stop.phone}`, on: { click: () => void noteCall(stop.id).then(async () => (at.calls = await callsTo(stop.id))) } })),
      line(form, "note", t("phone.failed.note"), keep),
    );
  }
  const witness = line(form, "witness", t("phone.failed.witness"), keep);
  if (kind === "witness") return witness;
  if (kind === "signature_or_witness") {
    const changed = (/** @type {import("./sign.js").Strokes} */ strokes) => {
      form.strokes = strokes;
      void keep();
    };
    return [h("div", { class: "stack tight" }, h("p", { class: "label" }, t("phone.failed.signature")), pad({ strokes: form.strokes, changed, label: t("phone.failed.signature") })), witness];
  }
  const note = line(form, "note", t("phone.failed.note"), keep);
  if (!PHOTOS.includes(kind)) return note;
  const changed = (/** @type {Blob | null} */ photo) => {
    form.photo = photo;
    return keep();
  };
  return [camera({ label: t(`phone.failed.take.${kind}`), changed, value: form.photo }), note];
}

/** @param {any} form @param {"note" | "witness"} name @param {string} label @param {() => unknown} keep */
function line(form, name, label, keep) {
  const input = h(name === "note" ? "textarea" : "input", { id: name, maxlength: LONGEST, autocomplete: "off", value: name === "note" ? null : form[name] });
  if (name === "note") input.value = form.note;
  input.addEventListener("input", () => {
    form[name] = input.value;
    void keep();
  });
  return h("div", { class: "field" }, h("label", { for: name }, label), input);
}

/** Whether there is evidence of a kind. @param {any} at @param {string} kind */
function has({ form, calls }, kind) {
  if (kind === "notice_left") return true;
  if (kind === "call_log") return calls.length >= CALLS_ASKED;
  const isWitnessed = form.witness.trim() !== "";
  if (kind === "signature_or_witness") return isWitnessed || isSigned(form.strokes);
  if (PHOTOS.includes(kind)) return form.photo !== null;
  return kind === "witness" ? isWitnessed : form.note.trim() !== "";
}

// ----------------------------------------------------------------------------------------------------------- save
/** @param {any} at @param {any} reason */
async function save(at, reason) {
  const { known, stop, form, key, told, calls } = at;
  const items = chosen(at);
  const { next_on } = outcome(at, reason);
  const proofs = reason.evidence.filter((/** @type {string} */ kind) => has(at, kind) && !PHOTOS.includes(kind)).flatMap((/** @type {string} */ kind) => {
    if (kind !== "signature_or_witness") return [{ kind }];
    return form.witness.trim() ? [{ kind: "witness" }] : [];
  });
  const data = {
    reason: reason.code,
    ...(next_on && { next_on }),
    proofs,
    ...(calls.length > 0 && reason.evidence.includes("call_log") && { calls }),
    ...(form.note.trim() && { note: form.note.trim() }),
    ...(form.witness.trim() && { witness: form.witness.trim() }),
  };
  const where = { stop: stop.id, sequence: stop.sequence };
  const media = [];
  const photo = reason.evidence.find((/** @type {string} */ kind) => PHOTOS.includes(kind));
  if (photo && form.photo) media.push({ kind: photo, blob: form.photo });
  if (reason.evidence.includes("signature_or_witness") && isSigned(form.strokes)) media.push({ kind: "signature", blob: await png(form.strokes) });
  const saved = await isSafe(told, async () => {
    await takeOut(known, form, items, where);
    await outbox.record({
      event_id: form.event_id,
      type: "attempt_failed",
      items: items.map((/** @type {any} */ item) => item.id),
      data,
      media,
      local: { ...where, reason: reason.code, next_on },
      draft: key,
    });
  });
  if (!saved) return;
  // The form is behind him: back leads to the door, not to an empty form.
  history.replaceState(null, "", `#/stop/${stop.id}`);
  go(`/notice/${form.event_id}`);
}

/** What was tried at the door was with him, whether or not he had told so in the morning. @param {any} known @param {Form} form @param {any[]} items @param {any} where */
async function takeOut(known, form, items, where) {
  const planned = items.filter((item) => item.state === "planned");
  if (!planned.length) return;
  const used = known.acts.some((/** @type {any} */ act) => act.event_id === form.taken_id);
  await outbox.record({
    event_id: used ? outbox.newId() : form.taken_id,
    type: "taken_out",
    items: planned.map((item) => item.id),
    local: where,
  });
}
