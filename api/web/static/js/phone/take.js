// @ts-check
// What a colleague hands over on the way: his phone's codes are read, the items counted by name, and taken into this bag. They can be
// delivered at once, though the office has not said anything of them to this phone yet.

import * as bag from "./bag.js";
import { bar, button, h, heading, refresh, say, t } from "./dom.js";
import * as outbox from "./outbox.js";
import { qr } from "./qr.js";
import { inDigits, line, reader, ring, which } from "./reader.js";
import { isSafe } from "./saving.js";
import { scanner } from "./scan.js";
import { answer, checkOf, Frames, itemsOf } from "./slip.js";

const DRAFT = "take";

/**
 * `slip` was read from the colleague's phone; `typed` are items whose codes were typed, which this phone must know.
 * @typedef {{event_id: string, slip: import("./slip.js").Slip | null, typed: string[]}} Draft
 */

/** @param {any} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const [known, me] = await Promise.all([bag.today(), outbox.me()]);
  if (!known || !me) return h("div", { class: "stack" }, heading(t("phone.take.title")), say("", "info", h("p", t("phone.door.none"))));
  /** @type {Draft} */
  const draft = (await outbox.drafts.get(DRAFT)) ?? { event_id: outbox.newId(), slip: null, typed: [] };
  const taking = new Taking(known, me.staff, draft, signal);
  if (!(await taking.keep({}))) return taking.element;
  if (draft.slip) taking.accept(draft.slip);
  else await taking.read();
  return taking.element;
}

class Taking {
  /** @param {any} known @param {{id: string, name: string}} me @param {Draft} draft @param {AbortSignal} signal */
  constructor(known, me, draft, signal) {
    this.known = known;
    this.me = me;
    this.draft = draft;
    this.signal = signal;
    this.frames = new Frames();
    this.told = h("div", { id: "told" });
    this.body = h("div", { class: "stack" });
    this.trouble = h("div");
    this.bar = bar();
    this.element = h("div", { class: "stack" }, heading(t("phone.take.title")), this.body, this.trouble, this.bar);
  }

  // ---------------------------------------------------------------------------------------------------- 1. read the codes
  async read() {
    const last = this.known.acts.filter((/** @type {any} */ act) => act.type === "taken_over" && act.local.check && !this.isUndone(act)).at(-1);
    // Only what this phone has heard of can be typed: a code alone does not say whose paper it is.
    this.others = bag.itemsOf(this.known).filter((item) => !item.in_my_bag && !["delivered", "held"].includes(item.state));
    this.typed = h("div", { class: "stack tight" });
    this.body.replaceChildren(
      ...(last ? [await this.answerCard(last.local)] : []),
      h("p", t("phone.take.how")),
      h("section", { class: "card" }, this.told, scanner({ formats: ["qr_code"], found: (text) => this.seen(text), signal: this.signal, label: t("phone.take.scan") })),
      h(
        "details",
        { class: "more", id: "by-hand", open: this.draft.typed.length > 0 },
        h("summary", t("phone.take.by_hand")),
        h("p", t("phone.take.by_hand_more")),
        reader({ label: t("phone.take.by_hand"), told: (code) => this.heard(code), signal: this.signal, digits: inDigits(this.others) }),
        this.typed,
      ),
    );
    this.bar.replaceChildren(button("back", t("phone.core.to_list"), { look: "main", href: "#/" }));
    this.fillTyped();
  }

  /** @param {any} act */
  isUndone = (act) => this.known.acts.some((/** @type {any} */ other) => other.type === "corrected" && other.local.corrects === act.event_id);

  /** What the giver's phone wants to see. @param {any} local of the act */
  async answerCard(local) {
    return h(
      "section",
      { class: "card", id: "answer-card", "aria-labelledby": "answer-title" },
      h("h2", { id: "answer-title" }, t("phone.take.taken", { count: local.count, name: local.from.name })),
      h("p", t("phone.take.answer")),
      h("p", { class: "check-digits", id: "check-digits" }, `${local.check.slice(0, 3)} ${local.check.slice(3)}`),
      h("div", { class: "frames" }, await qr(answer(local.check, this.me), t("phone.take.answer_code"))),
    );
  }

  /** @param {string} text @returns {Promise<"stop" | void>} */
  async seen(text) {
    const what = this.frames.add(text);
    if (what === "foreign") return this.refuse("phone.take.no_slip");
    if (!this.frames.isWhole()) {
      const { count, seen } = this.frames;
      this.told.replaceChildren(
        h("p", { class: "strong", role: "status", id: "read" }, t("phone.take.read", { done: seen.size, all: count })),
        h("progress", { max: count, value: seen.size, "aria-label": t("phone.take.read", { done: seen.size, all: count }) }),
      );
      return;
    }
    const slip = await this.frames.read();
    if (!slip) return this.refuse("phone.take.broken");
    if (slip.v !== 1) return this.refuse("phone.take.other_build");
    if (slip.from.id === this.me.id) return this.refuse("phone.take.own");
    if (slip.date !== this.known.date) return this.refuse("phone.take.other_day");
    const check = await checkOf(slip.items.map((item) => item.i));
    const isTaken = this.known.acts.some((/** @type {any} */ act) => act.type === "taken_over" && act.local.check === check && !this.isUndone(act));
    if (isTaken) {
      this.told.replaceChildren(say("warn", "info", h("p", { class: "strong", role: "status" }, t("phone.take.again"))));
      return "stop";
    }
    if (await this.keep({ slip, typed: [] })) refresh();
    return "stop";
  }

  /** @param {string} key */
  refuse(key) {
    const note = say("bad", "alert", h("p", { class: "strong" }, t(key)));
    note.classList.add("loud");
    this.told.replaceChildren(note);
    this.told.scrollIntoView({ block: "nearest" });
    ring();
  }

  // ------------------------------------------------------------------------------------------------- or type what is known
  /** @param {string} code @returns {Promise<{kind: "good" | "warn" | "bad", words: string[]}>} */
  async heard(code) {
    const { item, told } = which(this.others ?? [], code);
    if (told) return told;
    if (!item) return { kind: "bad", words: [t("phone.take.unknown", { code: code.trim() }), t("phone.take.unknown_more")] };
    if (this.draft.typed.includes(item.id)) return { kind: "warn", words: [t("phone.evening.again"), `${item.recipient} · ${item.barcode}`] };
    const isKept = await this.keep({ typed: [...this.draft.typed, item.id] });
    this.fillTyped();
    return isKept ? { kind: "good", words: [item.recipient, item.barcode] } : { kind: "bad", words: [t("phone.core.not_saved")] };
  }

  fillTyped() {
    const items = (this.others ?? []).filter((item) => this.draft.typed.includes(item.id));
    if (!items.length) return this.typed?.replaceChildren();
    const name = h("input", { id: "from", autocomplete: "off", maxlength: 100 });
    const accept = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!name.value.trim()) return this.refuse("phone.take.whose");
      return this.save({ name: name.value.trim() }, items.map((item) => item.id), []);
    };
    const drop = (/** @type {any} */ item) => async () => {
      await this.keep({ typed: this.draft.typed.filter((id) => id !== item.id) });
      this.fillTyped();
    };
    this.typed?.replaceChildren(
      h("ul", { class: "plain coded-list" }, items.map((item) => h("li", line(item), button("undo", t("phone.load.drop"), { look: "quiet", on: { click: drop(item) } })))),
      h(
        "form",
        { class: "stack tight", on: { submit: accept } },
        h("div", { class: "field" }, h("label", { for: "from" }, t("phone.take.name")), name),
        h("button", { class: "button main", id: "take-typed" }, t("phone.take.accept", { count: items.length })),
      ),
    );
  }

  // -------------------------------------------------------------------------------------------------- 2. count and accept
  /** @param {import("./slip.js").Slip} slip */
  accept(slip) {
    const items = itemsOf(slip);
    const count = items.length;
    this.body.replaceChildren(
      say("", "bag", h("p", { class: "strong" }, t("phone.take.from", { name: slip.from.name, count })), h("p", t("phone.take.count"))),
      ...(slip.office === this.known.office.code ? [] : [say("warn", "alert", h("p", t("phone.take.other_office")))]),
      h("ul", { class: "plain coded-list", id: "coming" }, items.map((item) => h("li", { dataset: { item: item.id } }, line(item, h("span", { class: "soft" }, item.address))))),
    );
    this.bar.replaceChildren(
      button("check", t("phone.take.accept", { count }), { look: "main", id: "accept", on: { click: () => this.save(slip.from, items.map((item) => item.id), items) } }),
      button("cross", t("phone.take.refuse"), { look: "bad wide", id: "refuse", on: { click: () => this.leave() } }),
    );
  }

  async leave() {
    if (await this.keep({ slip: null })) refresh();
  }

  /** @param {{id?: string, name: string}} from @param {string[]} ids @param {any[]} items what this phone has to know of them */
  async save(from, ids, items) {
    for (const one of this.element.querySelectorAll("button")) one.disabled = true;
    const check = await checkOf(ids);
    const count = ids.length;
    const act = {
      event_id: this.draft.event_id,
      type: "taken_over",
      items: ids,
      data: { from, count, check },
      local: { from, count, check, items },
      draft: DRAFT,
    };
    if (!(await isSafe(this.trouble, () => outbox.record(act)))) {
      for (const one of this.element.querySelectorAll("button")) one.disabled = false;
      return;
    }
    refresh();
  }

  /** @param {Partial<Draft>} change @returns {Promise<boolean>} */
  async keep(change) {
    const draft = { ...this.draft, ...change };
    if (!(await isSafe(this.trouble, () => outbox.drafts.put(DRAFT, draft)))) return false;
    this.draft = draft;
    return true;
  }
}
