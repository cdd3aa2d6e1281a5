// @ts-check
// The morning: every paper of the route is scanned or typed into the bag. What does not belong is refused loudly, what is missing
// stands in a list, and the count is the same as the one the office sees.

import * as bag from "./bag.js";
import { bar, button, go, h, heading, leaveNote, refresh, say, t } from "./dom.js";
import * as outbox from "./outbox.js";
import { inDigits, line, reader, which } from "./reader.js";
import { isSafe } from "./saving.js";

const DRAFT = "load";
// An event names no more items than this.
const MOST = 200;

/** @typedef {{event_id: string, scanned: string[]}} Draft */

/** @param {any} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const known = await bag.today();
  if (!known) return h("div", { class: "stack" }, heading(t("phone.load.title")), say("", "info", h("p", t("phone.door.none"))));
  /** @type {Draft} */
  const draft = (await outbox.drafts.get(DRAFT)) ?? { event_id: outbox.newId(), scanned: [] };
  const morning = new Morning(known, draft, signal);
  await morning.keep(draft.scanned);
  return morning.element;
}

class Morning {
  /** @param {any} known @param {Draft} draft @param {AbortSignal} signal */
  constructor(known, draft, signal) {
    this.known = known;
    this.draft = draft;
    this.byEye = false;
    const waiting = bag.toLoad(known);
    this.papers = waiting.filter((item) => item.direction === "result");
    // Nothing of them can be scanned yet; who sets out with the bag sets out for them too.
    this.fetches = waiting.filter((item) => item.direction === "submission");
    this.count = h("div", { id: "count" });
    this.lists = h("div", { class: "stack" });
    this.trouble = h("div");
    this.bar = bar();
    const isReading = this.papers.length > 0;
    this.element = h(
      "div",
      { class: "stack" },
      heading(t("phone.load.title")),
      this.count,
      isReading && reader({ label: t("phone.load.reader"), told: (code) => this.told(code), signal, digits: inDigits(this.papers) }),
      this.lists,
      this.trouble,
      this.bar,
    );
    this.fill();
  }

  scanned = () => this.papers.filter((item) => this.draft.scanned.includes(item.id));
  missing = () => this.papers.filter((item) => !this.draft.scanned.includes(item.id));

  fill() {
    const { done, all } = bag.loaded(this.known);
    const [scanned, missing] = [this.scanned(), this.missing()];
    const count = done + scanned.length;
    const words = t("phone.load.count", { done: count, all });
    this.count.replaceChildren(
      h("p", { class: "tally-big" }, h("b", `${count}/${all}`), " ", h("span", t("phone.load.in_bag"))),
      h("progress", { max: Math.max(1, all), value: count, "aria-label": words }),
    );
    this.lists.replaceChildren(...this.parts(scanned, missing).filter(Boolean));
    this.bar.replaceChildren(...this.actions(scanned, missing));
  }

  /** @param {any[]} scanned @param {any[]} missing */
  parts(scanned, missing) {
    const rows = (/** @type {any[]} */ items, /** @type {(item: any) => any} */ more) =>
      h("ul", { class: "plain coded-list" }, items.map((item) => h("li", { dataset: { item: item.id } }, line(item, this.place(item)), more(item))));
    const drop = (/** @type {any} */ item) =>
      button("undo", t("phone.load.drop"), { look: "quiet", "aria-label": t("phone.load.drop_one", { code: item.barcode }), on: { click: () => this.drop(item) } });
    const isDone = !this.papers.length && !this.fetches.length;
    return [
      isDone && say("good", "check", h("p", { class: "strong" }, t("phone.load.all_in"))),
      missing.length > 0 &&
        !this.byEye &&
        button("check", t("phone.load.by_eye", { count: missing.length }), { look: "quiet", id: "by-eye", on: { click: () => this.ask(true) } }),
      this.fetches.length > 0 && say("", "info", h("p", t("phone.load.fetches", { count: this.fetches.length }))),
      missing.length > 0 &&
        h("details", { class: "more", id: "missing", open: true }, h("summary", t("phone.load.missing", { count: missing.length })), rows(missing, () => null)),
      scanned.length > 0 &&
        h("details", { class: "more", id: "scanned" }, h("summary", t("phone.load.scanned", { count: scanned.length })), rows(scanned, drop)),
    ];
  }

  /** Where on the way an item is due. @param {any} item */
  place(item) {
    const stop = this.known.stops.find((/** @type {any} */ one) => one.items.some((/** @type {any} */ other) => other.id === item.id));
    return stop && h("span", { class: "soft" }, t("phone.load.stop", { number: stop.sequence }));
  }

  /** @param {any[]} scanned @param {any[]} missing */
  actions(scanned, missing) {
    if (!this.papers.length && !this.fetches.length) return [button("back", t("phone.core.to_list"), { look: "main", href: "#/" })];
    const byEye = this.papers.length;
    if (this.byEye) {
      return [
        say("warn", "alert", h("p", { class: "strong" }, t("phone.load.by_eye_sure", { count: missing.length })), h("p", t("phone.load.by_eye_more"))),
        button("check", t("phone.load.by_eye_yes", { count: byEye }), { look: "main", id: "by-eye-yes", on: { click: () => this.save(this.papers, "by_eye") } }),
        button("back", t("phone.load.by_eye_no"), { look: "wide", on: { click: () => this.ask(false) } }),
      ];
    }
    const words = this.papers.length ? t("phone.load.save", { count: scanned.length }) : t("phone.load.set_out", { count: this.fetches.length });
    const canSave = scanned.length > 0 || this.papers.length === 0;
    return [button("bag", words, { look: "main", id: "save", disabled: !canSave, on: { click: () => this.save(scanned, "scanned") } })];
  }

  /** @param {boolean} byEye */
  ask(byEye) {
    this.byEye = byEye;
    this.fill();
    this.bar.querySelector("button")?.focus();
  }

  /** @param {string} code @returns {Promise<{kind: "good" | "warn" | "bad", words: string[]}>} */
  async told(code) {
    const { item, told } = which(this.papers, code);
    if (told) return told;
    if (!item) return this.foreign(code);
    if (this.draft.scanned.includes(item.id)) return { kind: "warn", words: [t("phone.load.again"), `${item.recipient} · ${item.barcode}`] };
    return (await this.keep([...this.draft.scanned, item.id]))
      ? { kind: "good", words: [item.recipient, item.barcode] }
      : { kind: "bad", words: [t("phone.core.not_saved")] };
  }

  /** What is no paper of this morning: in the bag already, or of another's route. @param {string} code @returns {{kind: "warn" | "bad", words: string[]}} */
  foreign(code) {
    const { item } = which(bag.itemsOf(this.known), code);
    if (item?.in_my_bag) return { kind: "warn", words: [t("phone.load.already"), `${item.recipient} · ${item.barcode}`] };
    return { kind: "bad", words: [t("phone.load.refused", { code: code.trim() }), t("phone.load.refused_more")] };
  }

  /** @param {any} item */
  async drop(item) {
    await this.keep(this.draft.scanned.filter((id) => id !== item.id));
  }

  /** What was scanned survives whatever happens to this page. @param {string[]} scanned @returns {Promise<boolean>} */
  async keep(scanned) {
    const draft = { ...this.draft, scanned };
    if (!(await isSafe(this.trouble, () => outbox.drafts.put(DRAFT, draft)))) return false;
    this.draft = draft;
    this.byEye = false;
    this.fill();
    return true;
  }

  /** @param {any[]} papers @param {"scanned" | "by_eye"} counted how the papers were counted */
  async save(papers, counted) {
    for (const one of this.bar.querySelectorAll("button")) one.disabled = true;
    const items = [...papers, ...this.fetches].slice(0, MOST).map((item) => item.id);
    const { event_id } = this.draft;
    const scanned = this.scanned().length;
    const numbers = { count: papers.length, counted };
    const act = { event_id, type: "taken_out", items, data: { ...numbers, scanned }, local: numbers, draft: DRAFT };
    if (!(await isSafe(this.trouble, () => outbox.record(act)))) {
      this.fill();
      return;
    }
    if (bag.toLoad(await bag.today()).length) {
      refresh();
      return;
    }
    leaveNote(t("phone.load.all_in"));
    go("/");
  }
}
