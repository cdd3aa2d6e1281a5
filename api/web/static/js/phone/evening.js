// @ts-check
// The evening: what was loaded was delivered, passed on or comes back over the counter, until the bag is empty; and the money of the
// day with the cash that is to be handed in. Nothing is refused here: what happened is written down, and what is open is said.

import * as bag from "./bag.js";
import { bar, button, h, heading, money, refresh, say, t, word } from "./dom.js";
import * as outbox from "./outbox.js";
import { inDigits, line, reader, which } from "./reader.js";
import { isSafe } from "./saving.js";

const DRAFT = "evening";
const COUNT = "evening-count";
const MOST = 200;
const NOTES = [500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000];

/** @typedef {{event_id: string, ticked: string[]}} Draft */

/** @param {any} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const known = await bag.today();
  if (!known) return h("div", { class: "stack" }, heading(t("phone.evening.title")), say("", "info", h("p", t("phone.door.none"))));
  /** @type {Draft} */
  const draft = (await outbox.drafts.get(DRAFT)) ?? { event_id: outbox.newId(), ticked: [] };
  const evening = new Evening(known, draft, (await outbox.drafts.get(COUNT))?.notes ?? {}, signal);
  await evening.keep(draft.ticked);
  return evening.element;
}

class Evening {
  /** @param {any} known @param {Draft} draft @param {Record<string, number>} notes how many of each @param {AbortSignal} signal */
  constructor(known, draft, notes, signal) {
    this.known = known;
    this.draft = draft;
    this.balance = bag.balance(known);
    this.open = [...this.balance.left, ...this.balance.tasks];
    this.picks = h("div", { class: "stack tight" });
    this.missing = h("details", { class: "more", id: "missing" });
    this.trouble = h("div");
    this.bar = bar();
    this.element = h(
      "div",
      { class: "stack" },
      heading(t("phone.evening.title")),
      balanceCard(this.balance),
      this.open.length > 0 && this.back(signal),
      moneyCard(known.cash),
      countCard(known.cash, notes, (counted) => this.keepNotes(counted)),
      this.trouble,
      this.bar,
    );
    this.fill();
  }

  ticked = () => this.open.filter((item) => this.draft.ticked.includes(item.id));

  /** @param {AbortSignal} signal */
  back(signal) {
    return h(
      "section",
      { class: "stack tight", "aria-labelledby": "back-title" },
      h("h2", { id: "back-title" }, t("phone.evening.bag")),
      this.balance.left.length > 0 &&
        reader({ label: t("phone.evening.reader"), told: (code) => this.told(code), signal, digits: inDigits(this.balance.left) }),
      this.picks,
      this.missing,
    );
  }

  fill() {
    const ticked = this.ticked();
    const isTicked = (/** @type {any} */ item) => ticked.includes(item);
    const focused = document.activeElement?.id;
    this.picks.replaceChildren(
      h("p", { class: "row apart" }, h("span", { class: "strong", id: "ticked", role: "status" }, t("phone.evening.ticked", { count: ticked.length, all: this.open.length }))),
      ...this.list(this.balance.left, isTicked),
      ...(this.balance.tasks.length ? [h("p", t("phone.evening.tasks", { count: this.balance.tasks.length })), ...this.list(this.balance.tasks, isTicked)] : []),
      ...(ticked.length < this.open.length
        ? [button("check", t("phone.evening.tick_all", { count: this.open.length }), { look: "wide", id: "tick-all", on: { click: () => this.keep(this.open.map((item) => item.id)) } })]
        : []),
    );
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    const lost = this.balance.left.filter((item) => !isTicked(item));
    this.missing.hidden = !lost.length;
    this.missing.replaceChildren(
      h("summary", t("phone.evening.missing")),
      h("p", t("phone.evening.missing_more", { office: this.known.office.name })),
      h("p", { class: "strong" }, t("phone.evening.missing_list")),
      h("ul", { class: "plain coded-list" }, lost.map((item) => h("li", { dataset: { item: item.id } }, line(item)))),
    );
    this.bar.replaceChildren(this.action(ticked));
  }

  /** @param {any[]} items @param {(item: any) => boolean} isTicked */
  list = (items, isTicked) =>
    items.map((item) =>
      h(
        "label",
        { class: "pick" },
        h("input", { type: "checkbox", id: `tick-${item.id}`, checked: isTicked(item), on: { change: () => this.toggle(item) } }),
        line(item, h("span", { class: "soft" }, word("state", item.state))),
      ),
    );

  /** @param {any[]} ticked */
  action(ticked) {
    if (!this.open.length) return button("back", t("phone.core.to_list"), { look: "main", href: "#/" });
    const papers = ticked.filter((item) => item.carried).length;
    const words = papers || !ticked.length ? t("phone.evening.bring_back", { count: papers }) : t("phone.evening.bring_tasks", { count: ticked.length });
    return button("office", words, { look: "main", id: "bring-back", disabled: !ticked.length, on: { click: () => this.save(ticked) } });
  }

  /** @param {string} code @returns {Promise<{kind: "good" | "warn" | "bad", words: string[]}>} */
  async told(code) {
    const { item, told } = which(this.balance.left, code);
    if (told) return told;
    if (!item) return { kind: "bad", words: [t("phone.evening.refused", { code: code.trim() }), t("phone.evening.refused_more")] };
    if (this.draft.ticked.includes(item.id)) return { kind: "warn", words: [t("phone.evening.again"), `${item.recipient} · ${item.barcode}`] };
    return (await this.keep([...this.draft.ticked, item.id]))
      ? { kind: "good", words: [item.recipient, item.barcode] }
      : { kind: "bad", words: [t("phone.core.not_saved")] };
  }

  /** @param {any} item */
  toggle(item) {
    const { ticked } = this.draft;
    return this.keep(ticked.includes(item.id) ? ticked.filter((id) => id !== item.id) : [...ticked, item.id]);
  }

  /** @param {string[]} ticked @returns {Promise<boolean>} */
  async keep(ticked) {
    const draft = { ...this.draft, ticked };
    const isKept = await this.put(DRAFT, draft);
    if (isKept) this.draft = draft;
    this.fill();
    return isKept;
  }

  /** @param {Record<string, number>} notes */
  keepNotes = (notes) => this.put(COUNT, { notes });

  /** @param {string} key @param {any} value @returns {Promise<boolean>} */
  put = (key, value) => isSafe(this.trouble, () => outbox.drafts.put(key, value));

  /** @param {any[]} ticked */
  async save(ticked) {
    for (const one of this.bar.querySelectorAll("button")) one.disabled = true;
    const items = ticked.slice(0, MOST).map((item) => item.id);
    const numbers = { count: items.length };
    const act = { event_id: this.draft.event_id, type: "brought_back", items, data: numbers, local: numbers, draft: DRAFT };
    if (!(await isSafe(this.trouble, () => outbox.record(act)))) {
      this.fill();
      return;
    }
    refresh();
  }
}

/** @param {ReturnType<typeof bag.balance>} balance */
function balanceCard(balance) {
  const row = (/** @type {string} */ name, /** @type {number} */ count, sign = "") =>
    h("p", { class: "pocket", dataset: { balance: name } }, h("span", t(`phone.evening.${name}`)), h("span", { class: "number" }, `${sign}${count}`));
  const { left, tasks, unconfirmed, never } = balance;
  const open = left.length + tasks.length;
  return h(
    "section",
    { class: "card", "aria-labelledby": "balance-title" },
    h("h2", { id: "balance-title" }, t("phone.evening.balance")),
    row("loaded", balance.loaded),
    balance.fetched > 0 && row("fetched", balance.fetched, "+ "),
    row("delivered", balance.delivered.length, "\u2212 "),
    row("brought", balance.brought.length, "\u2212 "),
    row("passed", balance.passed.length, "\u2212 "),
    h("p", { class: "sum", dataset: { balance: "left" } }, h("span", t("phone.evening.left")), h("span", { class: "number" }, left.length)),
    open === 0
      ? say("good", "check", h("p", { class: "strong", id: "balanced" }, t("phone.evening.zero")))
      : say("warn", "bag", h("p", { class: "strong", id: "balanced" }, t("phone.evening.open", { count: open }))),
    unconfirmed.length > 0 && say("warn", "clock", h("p", t("phone.evening.unconfirmed", { count: unconfirmed.length }))),
    never.length > 0 && say("", "info", h("p", t("phone.evening.never_loaded", { count: never.length }))),
  );
}

const sum = (/** @type {any[]} */ lines) => lines.reduce((whole, line) => whole + line.amount_dong, 0);

/** The money of the day by whom it is for, what for, and how it was paid. @param {any} cash */
function moneyCard(cash) {
  const of = (/** @type {string} */ method) => sum(cash.lines.filter((/** @type {any} */ line) => line.method === method));
  const others = cash.carried_dong - of("cash");
  const row = (/** @type {string} */ name, /** @type {number} */ dong) =>
    h("p", { class: "pocket", dataset: { money: name } }, h("span", t(`phone.evening.${name}`)), h("span", { class: "money" }, money(dong)));
  return h(
    "section",
    { class: "card", "aria-labelledby": "money-title" },
    h("h2", { id: "money-title" }, t("phone.evening.money")),
    cash.lines.length === 0 && h("p", t("phone.evening.no_money")),
    cash.lines.map((/** @type {any} */ line) =>
      h(
        "p",
        { class: "pocket", dataset: { line: `${line.kind}|${line.payee ?? ""}|${line.method}` } },
        h("span", `${line.payee_name ?? word("charge", "unknown")} · ${word("charge", line.kind)} · ${word("method", line.method)}`),
        h("span", { class: "money" }, money(line.amount_dong)),
      ),
    ),
    cash.lines.length > 0 && [
      h("p", { class: "sum", dataset: { money: "total" } }, h("span", t("phone.evening.total")), h("span", { class: "money" }, money(sum(cash.lines)))),
      row("bank", of("bank_qr")),
      row("cash", of("cash")),
    ],
    others > 0 && row("earlier", others),
    others < 0 && row("handed", others),
    h("p", { class: "sum", dataset: { money: "hand_in" } }, h("span", t("phone.evening.hand_in")), h("span", { class: "money" }, money(cash.carried_dong))),
  );
}

/**
 * Counting the notes: how much they are, and whether that is what is to be handed in.
 * @param {any} cash @param {Record<string, number>} notes @param {(notes: Record<string, number>) => unknown} keep
 */
function countCard(cash, notes, keep) {
  const told = h("div", { class: "stack tight", role: "status", id: "counted" });
  const fields = NOTES.map((worth) => {
    const field = h("input", { id: `notes-${worth}`, inputmode: "numeric", pattern: "[0-9]*", maxlength: 4, autocomplete: "off", value: notes[worth] || "" });
    field.addEventListener("input", () => {
      field.value = field.value.replace(/\D/g, "");
      fill();
      keep(counted());
    });
    return { worth, field };
  });
  const counted = () => Object.fromEntries(fields.map(({ worth, field }) => [worth, Number(field.value)]).filter(([, count]) => count > 0));
  const fill = () => {
    const whole = fields.reduce((all, { worth, field }) => all + worth * Number(field.value), 0);
    const over = whole - cash.carried_dong;
    told.replaceChildren(
      h("p", { class: "sum" }, h("span", t("phone.evening.counted")), h("span", { class: "money" }, money(whole))),
      over === 0 ? say("good", "check", h("p", t("phone.evening.agrees"))) : say("warn", "info", h("p", t(over < 0 ? "phone.evening.short" : "phone.evening.over", { amount: money(Math.abs(over)) }))),
    );
  };
  const anew = () => {
    for (const { field } of fields) field.value = "";
    fill();
    keep({});
  };
  fill();
  return h(
    "details",
    { class: "more card", id: "notes", open: Object.keys(notes).length > 0 },
    h("summary", t("phone.evening.count")),
    h(
      "div",
      { class: "notes-count" },
      fields.map(({ worth, field }) => h("div", { class: "field" }, h("label", { for: field.id }, t("phone.evening.notes", { worth: money(worth) })), field)),
      told,
      button("undo", t("phone.evening.count_again"), { look: "quiet", on: { click: anew } }),
    ),
  );
}
