// @ts-check
// What the recipient wants changed, filed by the bearer for somebody without a phone. Without a signal nothing can be promised: then
// the wish is saved like any act, and the office answers it. With one he is offered the same windows as every citizen.

import * as bag from "./bag.js";
import { bar, button, go, h, heading, leaveNote, say, t, visitDay, word } from "./dom.js";
import { heardPart, windowWords, wishWords } from "./heard.js";
import { ask, settled, Unanswered } from "./net.js";
import * as outbox from "./outbox.js";
import { isKept, isSafe } from "./saving.js";

const LONGEST = 300;
const PATIENCE_MS = 6_000;
const HALVES = ["any", "morning", "afternoon"];

/** @param {{stop: string, item: string}} params @param {AbortSignal} signal */
export async function screen({ stop: stopId, item: itemId }, signal) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, stopId);
  const item = stop?.items.find((/** @type {any} */ one) => one.id === itemId);
  if (!stop || !item) return h("div", { class: "stack" }, heading(t("phone.wish.title")), say("warn", "info", h("p", t("phone.door.gone"))));
  const key = `wish|${item.id}`;
  const told = h("div");
  const form = (await outbox.drafts.get(key)) ?? {
    event_id: outbox.newId(),
    request_id: outbox.newId(),
    kind: "",
    day: known.next_days[0] ?? "",
    half: "any",
    person: "",
    landmark: "",
    text: "",
    call_first: false,
  };
  const keep = () => isKept(told, () => outbox.drafts.put(key, form));
  await keep();
  const fields = h("div", { class: "stack", id: "wish-fields" });
  const save = button("check", t("phone.wish.save"), { look: "main", id: "save", on: { click: () => saveWish(at) } });
  const at = { known, stop, item, form, key, told, keep, fields, save, signal, drawn: 0 };
  const draw = () => {
    at.drawn += 1;
    fields.replaceChildren(...PARTS[form.kind](at));
  };
  const kinds = Object.keys(PARTS)
    .filter((kind) => kind && (item.direction === "result" || kind !== "pick_up"))
    .map((kind) => radio("kind", kind, t(`heard.kind.${kind}`), form.kind === kind, () => {
      form.kind = kind;
      told.replaceChildren();
      void keep();
      draw();
    }));
  draw();
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.wish.title"), `/stop/${stop.id}`),
    h("p", h("span", { class: "strong" }, item.recipient), h("br"), h("span", { class: "code" }, item.barcode)),
    heardPart(item),
    told,
    h("fieldset", { id: "kinds" }, h("legend", t("phone.wish.what")), kinds),
    fields,
    bar(save),
  );
}

/** @param {string} name @param {string} value @param {string} words @param {boolean} checked @param {() => void} chosen */
function radio(name, value, words, checked, chosen) {
  const input = h("input", { type: "radio", name, value, checked });
  input.addEventListener("change", chosen);
  return h("label", { class: "pick" }, input, h("span", words));
}

/** The fields of each kind of wish. @type {Record<string, (at: any) => any[]>} */
const PARTS = {
  "": () => [],
  reschedule: (at) => {
    const free = h("div", { class: "stack" });
    // What is in a bag can be moved only when it is back.
    if (at.item.in_my_bag) return [say("warn", "info", h("p", t("phone.wish.in_bag"))), ...dayFields(at)];
    free.append(h("p", { role: "status" }, t("phone.wish.looking")));
    void offer(at, free);
    return [free];
  },
  pick_up: (at) => [
    h("p", t("phone.wish.pick_up")),
    ...(at.item.in_my_bag ? [say("warn", "info", h("p", t("phone.wish.in_bag")))] : []),
  ],
  authorise: (at) => {
    const rule = at.known.rules[at.item.rule];
    if (!(rule.persons ?? []).includes("authorised")) return [say("bad", "alert", h("p", t("phone.wish.owner_only")))];
    return [field(at, "person", t("phone.wish.person")), ...(rule.authorisation ? [h("p", { lang: "vi" }, t("phone.wish.must_bring", { paper: rule.authorisation }))] : [])];
  },
  instruct: (at) => {
    const box = h("input", { type: "checkbox", name: "call_first", checked: at.form.call_first });
    box.addEventListener("change", () => {
      at.form.call_first = box.checked;
      void at.keep();
    });
    return [field(at, "landmark", t("phone.wish.landmark")), field(at, "text", t("phone.wish.text")), h("label", { class: "pick" }, box, h("span", t("phone.wish.call_first")))];
  },
};

/** @param {any} at @param {string} name @param {string} words */
function field(at, name, words) {
  const input = h("input", { id: name, maxlength: LONGEST, value: at.form[name], autocomplete: "off" });
  input.addEventListener("input", () => {
    at.form[name] = input.value;
    void at.keep();
  });
  return h("div", { class: "field" }, h("label", { for: name }, words), input);
}

/** The wanted day and half, to be answered by the office. @param {any} at */
function dayFields(at) {
  const { form, known, keep } = at;
  const select = h(
    "select",
    { id: "day" },
    known.next_days.map((/** @type {string} */ day) => h("option", { value: day, selected: form.day === day }, visitDay(day))),
  );
  select.addEventListener("change", () => {
    form.day = select.value;
    void keep();
  });
  const halves = HALVES.map((half) => radio("half", half, t(`heard.half.${half}`), form.half === half, () => {
    form.half = half;
    void keep();
  }));
  return [
    h("p", { id: "honest" }, t("phone.wish.honest")),
    h("div", { class: "field" }, h("label", { for: "day" }, t("phone.wish.day")), select),
    h("fieldset", { id: "halves" }, h("legend", t("phone.wish.half")), halves),
  ];
}

// ---------------------------------------------------------------------------------------------------- with a signal
/** Ask which windows are free; without an answer the wanted day is written down. @param {any} at @param {HTMLElement} free */
async function offer(at, free) {
  const mine = at.drawn;
  const isOver = () => at.signal.aborted || at.drawn !== mine;
  let slots;
  try {
    const answer = settled(await ask(`/api/v1/items/${at.item.id}/slots`, { patience: PATIENCE_MS }));
    slots = answer.status === 200 ? answer.json().slots : null;
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    slots = null;
  }
  if (isOver()) return;
  if (!slots) free.replaceChildren(...dayFields(at));
  else if (!slots.length) free.replaceChildren(say("warn", "info", h("p", t("phone.wish.none_free"))), ...dayFields(at));
  else free.replaceChildren(...windows(at, free, slots));
}

/** @param {any} at @param {HTMLElement} free @param {any[]} slots */
function windows(at, free, slots) {
  at.save.hidden = true;
  let chosen = "";
  const picks = slots.map((slot) => radio("slot", slot.id, windowWords(slot), false, () => {
    chosen = slot.id;
  }));
  const take = button("check", t("phone.wish.now"), {
    look: "main",
    id: "take-window",
    on: {
      click: async () => {
        const slot = slots.find((one) => one.id === chosen);
        if (!slot) return tellIn(at, "bad", t("phone.wish.choose"));
        take.disabled = true;
        await promise(at, free, slot);
        take.disabled = false;
        return undefined;
      },
    },
  });
  const other = button("clock", t("phone.wish.other_day"), {
    look: "wide",
    id: "other-day",
    on: {
      click: () => {
        at.save.hidden = false;
        free.replaceChildren(...dayFields(at));
      },
    },
  });
  return [h("fieldset", { id: "slots" }, h("legend", t("phone.wish.windows")), h("div", { class: "stack tight" }, picks)), take, other];
}

/** Have a window promised now. The same tap twice is one request. @param {any} at @param {HTMLElement} free @param {any} slot */
async function promise(at, free, slot) {
  const { item, form, key } = at;
  let answer;
  try {
    answer = settled(
      await ask(`/api/v1/items/${item.id}/change-requests`, {
        method: "POST",
        json: { kind: "reschedule", slot: slot.id },
        headers: { "Idempotency-Key": `${form.request_id}-${slot.id}` },
      }),
    );
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    // It may have been heard or not: what is saved now is a second request for the same window at the worst, and no second move.
    form.day = slot.date;
    form.half = new Date(slot.from).getUTCHours() + 7 < 12 ? "morning" : "afternoon";
    await at.keep();
    at.save.hidden = false;
    free.replaceChildren(...dayFields(at));
    return tellIn(at, "warn", t("phone.wish.lost"));
  }
  if (answer.status !== 201) {
    tellIn(at, "bad", answer.code === "slot-gone" ? t("phone.wish.gone") : word("refused", answer.code));
    const left = answer.json()?.slots;
    if (left?.length) free.replaceChildren(...windows(at, free, left));
    return undefined;
  }
  await outbox.drafts.drop(key);
  leaveNote(t("phone.wish.promised", { window: windowWords(slot) }));
  // The paper has left the route for another day.
  await bag.load();
  go("/");
  return undefined;
}

/** @param {any} at @param {string} kind @param {string} words */
function tellIn(at, kind, words) {
  at.told.replaceChildren(say(kind, "alert", h("p", words)));
  at.told.scrollIntoView({ block: "center" });
  return undefined;
}

// ------------------------------------------------------------------------------------------------- without a signal
/** What of the form belongs to its kind, or the sentence that says what is missing. @param {any} form @returns {any} */
function read(form) {
  const text = (/** @type {string} */ name) => form[name].trim();
  if (!form.kind) return t("phone.wish.choose");
  if (form.kind === "reschedule") return { kind: form.kind, day: form.day, ...(form.half === "any" ? {} : { half: form.half }) };
  if (form.kind === "authorise") return text("person") ? { kind: form.kind, person: text("person") } : t("phone.wish.no_person");
  if (form.kind === "pick_up") return { kind: form.kind };
  const said = { ...(text("landmark") && { landmark: text("landmark") }), ...(text("text") && { text: text("text") }), ...(form.call_first && { call_first: true }) };
  return Object.keys(said).length ? { kind: form.kind, ...said } : t("phone.wish.empty");
}

/** @param {any} at */
async function saveWish(at) {
  const { form, item, stop, key, told, known } = at;
  const data = read(form);
  if (typeof data === "string") return tellIn(at, "bad", data);
  if (data.kind === "authorise" && !(known.rules[item.rule].persons ?? []).includes("authorised")) return tellIn(at, "bad", t("phone.wish.owner_only"));
  const words = [data.person, data.landmark, data.text].filter(Boolean).join(" ");
  const local = { stop: stop.id, sequence: stop.sequence, wish: wishWords({ ...data, words }) };
  const act = { event_id: form.event_id, type: "wished", items: [item.id], data, local, draft: key };
  if (!(await isSafe(told, () => outbox.record(act)))) return undefined;
  leaveNote(t("phone.wish.saved"));
  history.replaceState(null, "", "#/");
  go(`/stop/${stop.id}`);
  return undefined;
}
