// @ts-check
// Some of the bag, or all of it, to a colleague on the way: this phone shows codes, his phone reads them and answers with six digits.
// Neither needs a signal. Without the answer the office waits for the colleague's word, and this phone says so.

import * as bag from "./bag.js";
import { bar, button, go, h, heading, leaveNote, refresh, say, t } from "./dom.js";
import * as outbox from "./outbox.js";
import { qr } from "./qr.js";
import { inDigits, line, reader, ring, which } from "./reader.js";
import { isSafe } from "./saving.js";
import { scanner } from "./scan.js";
import { checkOf, readAnswer, toFrames, write } from "./slip.js";

const DRAFT = "give";
const MOST = 200;
const NEXT_MS = 1_500;

/**
 * `frames` are fixed once they were shown, so that the answer fits what the colleague has read.
 * @typedef {{event_id: string, chosen: string[], frames: string[], check: string, stage: "choose" | "show" | "answer"}} Draft
 */

/** @param {any} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const known = await bag.today();
  if (!known) return h("div", { class: "stack" }, heading(t("phone.give.title")), say("", "info", h("p", t("phone.door.none"))));
  /** @type {Draft} */
  const draft = (await outbox.drafts.get(DRAFT)) ?? { event_id: outbox.newId(), chosen: [], frames: [], check: "", stage: "choose" };
  const giving = new Giving(known, draft, signal);
  if (!(await giving.keep({}))) return giving.element;
  await giving[draft.stage]();
  return giving.element;
}

class Giving {
  /** @param {any} known @param {Draft} draft @param {AbortSignal} signal */
  constructor(known, draft, signal) {
    this.known = known;
    this.draft = draft;
    this.signal = signal;
    this.items = bag.givable(known);
    this.body = h("div", { class: "stack" });
    this.trouble = h("div");
    this.bar = bar();
    this.element = h("div", { class: "stack" }, heading(t("phone.give.title")), this.body, this.trouble, this.bar);
  }

  chosen = () => this.items.filter((item) => this.draft.chosen.includes(item.id)).slice(0, MOST);

  // ------------------------------------------------------------------------------------------------------- 1. choose
  choose() {
    if (!this.items.length) {
      this.body.replaceChildren(say("", "bag", h("p", t("phone.give.empty"))));
      this.bar.replaceChildren(button("back", t("phone.core.to_list"), { look: "main", href: "#/" }));
      return;
    }
    this.picks = h("div", { class: "stack tight" });
    this.body.replaceChildren(
      h("p", t("phone.give.how")),
      reader({ label: t("phone.give.reader"), told: (code) => this.told(code), signal: this.signal, digits: inDigits(this.items) }),
      this.picks,
    );
    this.fillPicks();
  }

  fillPicks() {
    const chosen = this.chosen();
    const focused = document.activeElement?.id;
    this.picks?.replaceChildren(
      h("p", { class: "strong", id: "chosen", role: "status" }, t("phone.give.chosen", { count: chosen.length, all: this.items.length })),
      ...this.items.map((item) =>
        h(
          "label",
          { class: "pick" },
          h("input", { type: "checkbox", id: `give-${item.id}`, checked: chosen.includes(item), on: { change: () => this.toggle(item) } }),
          line(item, h("span", { class: "soft" }, bag.doorOf(this.known, item).address)),
        ),
      ),
      ...(chosen.length < this.items.length
        ? [button("check", t("phone.give.all", { count: this.items.length }), { look: "wide", id: "choose-all", on: { click: () => this.pick(this.items.map((item) => item.id)) } })]
        : []),
    );
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    this.bar.replaceChildren(
      button("next", t("phone.give.show", { count: chosen.length }), { look: "main", id: "show-codes", disabled: !chosen.length, on: { click: () => this.begin() } }),
    );
  }

  /** @param {string} code @returns {Promise<{kind: "good" | "warn" | "bad", words: string[]}>} */
  async told(code) {
    const { item, told } = which(this.items, code);
    if (told) return told;
    if (!item) return { kind: "bad", words: [t("phone.evening.refused", { code: code.trim() }), t("phone.give.refused_more")] };
    if (this.draft.chosen.includes(item.id)) return { kind: "warn", words: [t("phone.evening.again"), `${item.recipient} · ${item.barcode}`] };
    const isKept = await this.pick([...this.draft.chosen, item.id]);
    return isKept ? { kind: "good", words: [item.recipient, item.barcode] } : { kind: "bad", words: [t("phone.core.not_saved")] };
  }

  /** @param {any} item */
  toggle(item) {
    const { chosen } = this.draft;
    return this.pick(chosen.includes(item.id) ? chosen.filter((id) => id !== item.id) : [...chosen, item.id]);
  }

  /** @param {string[]} chosen */
  async pick(chosen) {
    const isKept = await this.keep({ chosen });
    this.fillPicks();
    return isKept;
  }

  async begin() {
    const chosen = this.chosen();
    const frames = await toFrames(await write(this.known, chosen));
    const ids = chosen.map((item) => item.id);
    if (await this.keep({ chosen: ids, frames, check: await checkOf(ids), stage: "show" })) refresh();
  }

  // --------------------------------------------------------------------------------------------------- 2. show the codes
  async show() {
    const chosen = this.chosen();
    if (chosen.length !== this.draft.chosen.length) return this.anew();
    const { frames } = this.draft;
    const codes = await Promise.all(frames.map((frame, at) => qr(frame, t("phone.give.frame", { number: at + 1, count: frames.length }))));
    const stage = h("div", { class: "frames", id: "frames" });
    let at = 0;
    const turn = (/** @type {number} */ by) => {
      at = (at + by + frames.length) % frames.length;
      stage.dataset.frame = String(at + 1);
      stage.replaceChildren(codes[at], h("p", { class: "strong" }, t("phone.give.frame", { number: at + 1, count: frames.length })));
    };
    turn(0);
    this.body.replaceChildren(
      stage,
      h("p", t(frames.length > 1 ? "phone.give.hold_many" : "phone.give.hold", { count: chosen.length })),
      ...(frames.length > 1 ? [this.turning(turn)] : []),
      h("details", { class: "more" }, h("summary", t("phone.give.these", { count: chosen.length })), h("ul", { class: "plain coded-list" }, chosen.map((item) => h("li", line(item))))),
      h("p", button("back", t("phone.give.choose_again"), { id: "choose-again", on: { click: () => this.anew() } })),
    );
    this.bar.replaceChildren(
      button("next", t("phone.give.to_answer"), { look: "main", id: "to-answer", on: { click: () => this.turnTo("answer") } }),
    );
  }

  /** By hand, and by time where its bearer does not mind movement. @param {(by: number) => void} turn */
  turning(turn) {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let timer;
    const stop = () => {
      clearInterval(timer);
      timer = undefined;
      run.querySelector("span").textContent = t("phone.give.run");
    };
    const start = () => {
      timer = setInterval(() => turn(1), NEXT_MS);
      run.querySelector("span").textContent = t("phone.give.stop");
    };
    const byHand = (/** @type {number} */ by) => () => {
      stop();
      turn(by);
    };
    const run = button("clock", "", { id: "run-frames", on: { click: () => (timer ? stop() : start()) } });
    if (isCalm) stop();
    else start();
    this.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
    return h(
      "div",
      { class: "actions" },
      button("back", t("phone.give.before"), { id: "frame-before", on: { click: byHand(-1) } }),
      button("next", t("phone.give.next"), { id: "frame-next", on: { click: byHand(1) } }),
      run,
    );
  }

  async anew() {
    if (await this.keep({ frames: [], check: "", stage: "choose" })) refresh();
  }

  /** @param {Draft["stage"]} stage */
  async turnTo(stage) {
    if (await this.keep({ stage })) refresh();
  }

  // ---------------------------------------------------------------------------------------------- 3. the colleague's answer
  answer() {
    const chosen = this.chosen();
    if (chosen.length !== this.draft.chosen.length) return this.anew();
    const told = h("div", { id: "answer" });
    const refuse = (/** @type {string} */ key) => {
      const note = say("bad", "alert", h("p", { class: "strong" }, t(key)));
      note.classList.add("loud");
      told.replaceChildren(note);
      told.scrollIntoView({ block: "nearest" });
      ring();
    };
    const digits = h("input", { id: "check", inputmode: "numeric", maxlength: 6, autocomplete: "off", class: "pin" });
    const name = h("input", { id: "to", autocomplete: "off", maxlength: 100 });
    const typed = (/** @type {Event} */ event) => {
      event.preventDefault();
      const isRight = digits.value.replace(/\s/g, "") === this.draft.check;
      if (!isRight) refuse("phone.give.wrong_check");
      else if (!name.value.trim()) refuse("phone.give.whom");
      else return this.save({ name: name.value.trim() }, true);
    };
    const seen = (/** @type {string} */ text) => {
      const found = readAnswer(text);
      if (found?.check !== this.draft.check) return refuse(found ? "phone.give.wrong_check" : "phone.give.no_answer");
      void this.save(found.to, true);
      return "stop";
    };
    const other = h("input", { id: "to-alone", autocomplete: "off", maxlength: 100 });
    const alone = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!other.value.trim()) refuse("phone.give.whom");
      else return this.save({ name: other.value.trim() }, false);
    };
    this.body.replaceChildren(
      h("p", t("phone.give.answer_how")),
      told,
      scanner({ formats: ["qr_code"], found: seen, signal: this.signal, label: t("phone.give.scan_answer") }),
      h(
        "form",
        { class: "stack", id: "typed-answer", on: { submit: typed } },
        h("div", { class: "field" }, h("label", { for: "check" }, t("phone.give.check")), digits),
        h("div", { class: "field" }, h("label", { for: "to" }, t("phone.give.name")), name),
      ),
      h(
        "details",
        { class: "more", id: "without" },
        h("summary", t("phone.give.without")),
        h(
          "form",
          { class: "stack tight", on: { submit: alone } },
          h("p", t("phone.give.without_more")),
          h("div", { class: "field" }, h("label", { for: "to-alone" }, t("phone.give.name")), other),
          h("button", { class: "button wide", id: "give-alone" }, t("phone.give.without_save", { count: chosen.length })),
        ),
      ),
    );
    this.bar.replaceChildren(
      h("button", { class: "button main", id: "give-save", form: "typed-answer" }, t("phone.give.save", { count: chosen.length })),
      button("back", t("phone.give.codes_again"), { look: "wide", on: { click: () => this.turnTo("show") } }),
    );
  }

  /** @param {{id?: string, name: string}} to @param {boolean} confirmed the colleague's phone has answered */
  async save(to, confirmed) {
    const { event_id, chosen, check } = this.draft;
    const count = chosen.length;
    for (const one of this.element.querySelectorAll("button")) one.disabled = true;
    const act = { event_id, type: "passed_on", items: chosen, data: { to, count, check, confirmed }, local: { to, count }, draft: DRAFT };
    if (!(await isSafe(this.trouble, () => outbox.record(act)))) {
      for (const one of this.element.querySelectorAll("button")) one.disabled = false;
      return;
    }
    leaveNote(t("phone.give.saved", { count, name: to.name }));
    go("/");
  }

  /** @param {Partial<Draft>} change @returns {Promise<boolean>} */
  async keep(change) {
    const draft = { ...this.draft, ...change };
    if (!(await isSafe(this.trouble, () => outbox.drafts.put(DRAFT, draft)))) return false;
    this.draft = draft;
    return true;
  }
}
