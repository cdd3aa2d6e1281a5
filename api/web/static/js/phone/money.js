// @ts-check
// The money at a door: what is due to whom, how it was taken, the change, and the transfer by VietQR. Amounts are whole dong.
//
// `value` is a plain object that the caller keeps in its draft; an empty one means: everything as due, in cash.
//   amounts  charge -> dong taken where it differs from what is due, or null where what was typed is no amount
//   bank     payees that are paid by transfer
//   seen     payee -> dong of the transfer that the payer's phone showed as done
//   purposes payee -> the text of its transfer, fixed when its code was first shown
//   given    dong that the payer gave in notes
//   reason, reason_text  why it is not the amount that is due; the text where the reason is "other"

import { button, h, money, say, t, word } from "./dom.js";
import * as outbox from "./outbox.js";
import { qr } from "./qr.js";
import { spelled } from "./spelled.js";
import * as vault from "./vault.js";
import { payload, purposeOf } from "./vietqr.js";

const NOTES = [50_000, 100_000, 200_000, 500_000];
export const REASONS = ["cannot_pay_all", "paid_elsewhere", "other_amount_told", "no_change", "other"];
const LONGEST_REASON = 200;

/**
 * @typedef {{charge: string, item: string, barcode: string, kind: string, payee: string, payee_name: string, amount_dong: number}} Line
 * @typedef {{amounts?: Record<string, number | null>, bank?: string[], seen?: Record<string, number>,
 *   purposes?: Record<string, string>, given?: number, reason?: string, reason_text?: string}} Value
 * @typedef {{charge: string, kind: string, payee: string, method: "cash" | "bank_qr", amount_dong: number}} Collection
 */

// ------------------------------------------------------------------------------------------- what follows from a value
/** What is due for these items of the bag, line by line. @param {any[]} items @returns {Line[]} */
export const linesOf = (items) =>
  items.flatMap((item) =>
    item.charges
      .filter((/** @type {any} */ charge) => charge.amount_dong > 0)
      .map((/** @type {any} */ { id, kind, payee, payee_name, amount_dong }) => ({
        charge: id,
        item: item.id,
        barcode: item.barcode,
        kind,
        payee,
        payee_name,
        amount_dong,
      })),
  );

/** What was taken for a line; 0 as long as what was typed is no amount. @param {Value} value @param {Line} line */
const taken = (value, line) => (value.amounts && line.charge in value.amounts ? (value.amounts[line.charge] ?? 0) : line.amount_dong);

/** @param {Value} value @param {string} payee */
const isByBank = (value, payee) => (value.bank ?? []).includes(payee);

/** What was taken, as the event tells it; lines for which nothing was taken are left out. @param {any[]} items @param {Value} value @returns {Collection[]} */
export const collectionsOf = (items, value) =>
  linesOf(items)
    .map((line) => ({
      charge: line.charge,
      kind: line.kind,
      payee: line.payee,
      method: /** @type {"cash" | "bank_qr"} */ (isByBank(value, line.payee) ? "bank_qr" : "cash"),
      amount_dong: taken(value, line),
    }))
    .filter(({ amount_dong }) => amount_dong > 0);

/** @param {Collection[]} collections @param {string} [method] */
const sumOf = (collections, method) =>
  collections.filter((line) => !method || line.method === method).reduce((sum, line) => sum + line.amount_dong, 0);

/** The sums of what was taken, in dong. @param {any[]} items @param {Value} value */
export function totalsOf(items, value) {
  const collections = collectionsOf(items, value);
  return { all: sumOf(collections), cash: sumOf(collections, "cash"), bank: sumOf(collections, "bank_qr") };
}

/** What the phone remembers of the money of an act: `local` of `outbox.record`; a receipt only where something was taken. @param {any[]} items @param {Value} value */
export function localOf(items, value) {
  const { cash, bank } = totalsOf(items, value);
  return { collections: collectionsOf(items, value), cash_dong: cash, bank_dong: bank, ...(cash + bank > 0 && { receipt: true }) };
}

/** What the event says of the money beside its collections: why the amount differs, and by which texts transfers are found. @param {any[]} items @param {Value} value */
export function toldOf(items, value) {
  const transfers = [...payeesOf(items)]
    .filter(([payee, lines]) => isByBank(value, payee) && value.purposes?.[payee] && dueTo(value, lines) > 0)
    .map(([payee, lines]) => ({ payee, purpose: value.purposes?.[payee], amount_dong: dueTo(value, lines) }));
  const differs = objectionsOf(items, value).some(({ code }) => code === "underpaid" || code === "overpaid");
  return {
    ...(differs && { money_reason: value.reason === "other" ? value.reason_text : value.reason }),
    ...(transfers.length > 0 && { transfers }),
  };
}

/**
 * What speaks against this value. `blocks`: it cannot be recorded like this, the postman must first say more; the others are facts that
 * the office will see, for him to confirm. Codes: underpaid, overpaid (as the server names them), reason-missing, amount-unreadable,
 * transfer-unseen.
 * @param {any[]} items @param {Value} value
 * @returns {{code: string, words: string, blocks: boolean}[]}
 */
export function objectionsOf(items, value) {
  const found = [];
  const lines = linesOf(items);
  for (const line of lines) {
    const dong = value.amounts?.[line.charge];
    const what = `${word("charge", line.kind)}, ${line.payee_name}`;
    if (dong === null) found.push({ code: "amount-unreadable", words: t("phone.money.unreadable", { what }), blocks: true });
    else if (taken(value, line) !== line.amount_dong) {
      const code = taken(value, line) < line.amount_dong ? "underpaid" : "overpaid";
      found.push({ code, words: t(`phone.money.${code}`, { what, due: money(line.amount_dong), taken: money(taken(value, line)) }), blocks: false });
    }
  }
  const isExplained = value.reason === "other" ? Boolean(value.reason_text?.trim()) : REASONS.includes(value.reason ?? "");
  if (found.some(({ code }) => code === "underpaid" || code === "overpaid") && !isExplained) {
    found.push({ code: "reason-missing", words: t("phone.money.reason_missing"), blocks: true });
  }
  for (const [payee, own] of payeesOf(items)) {
    const dong = dueTo(value, own);
    if (isByBank(value, payee) && dong > 0 && value.seen?.[payee] !== dong) {
      found.push({ code: "transfer-unseen", words: t("phone.money.unseen", { payee: own[0].payee_name, amount: money(dong) }), blocks: false });
    }
  }
  return found;
}

/** @param {any[]} items */
function payeesOf(items) {
  /** @type {Map<string, Line[]>} */
  const payees = new Map();
  for (const line of linesOf(items)) payees.set(line.payee, [...(payees.get(line.payee) ?? []), line]);
  return payees;
}

/** @param {Value} value @param {Line[]} lines */
const dueTo = (value, lines) => lines.reduce((sum, line) => sum + taken(value, line), 0);

/**
 * Dong as they are typed here: 135000, 135.000, 135 000; null where it is no amount.
 * @param {string} typed
 */
export function dongOf(typed) {
  const digits = typed.replace(/[\s.,\u0111\u0110]/g, "");
  return /^\d{1,12}$/.test(digits) ? Number(digits) : null;
}

// ----------------------------------------------------------------------------------------------------------- the pocket
/**
 * The part of a form about money. `changed` hears every new value.
 * @param {{known: any, items: any[], value: Value, changed: (value: Value) => unknown}} of `known` is the day of `bag.today`
 * @returns {HTMLElement}
 */
export function pocket({ known, items, value, changed }) {
  const payees = payeesOf(items);
  if (!payees.size) {
    return h("section", { class: "card", id: "pocket" }, h("h2", t("stop.money")), h("p", t("stop.nothing_due")));
  }
  let now = value;
  /** @type {(() => void)[]} */
  const shown = [];
  const set = (/** @type {Partial<Value>} */ news) => {
    now = { ...now, ...news };
    for (const show of shown) show();
    changed(now);
  };
  const parts = /** @type {Part} */ ({ items, known, get: () => now, set, onShow: (show) => shown.push(show) });
  const element = h(
    "section",
    { class: "card money-card", id: "pocket", "aria-labelledby": "pocket-title" },
    h("h2", { id: "pocket-title" }, t("stop.money")),
    [...payees].map(([payee, lines], turn) => payeePart(parts, payee, lines, turn)),
    reasonPart(parts),
    changePart(parts),
    sumPart(parts),
  );
  for (const show of shown) show();
  return element;
}

/**
 * Fill a place anew where its words differ: a reader that follows it is not told the same twice.
 * @param {HTMLElement} place @param {...any} children
 */
function fill(place, ...children) {
  const found = h("div", ...children);
  if (found.textContent !== place.textContent) place.replaceChildren(...found.childNodes);
}

/** @typedef {{items: any[], known: any, get: () => Value, set: (news: Partial<Value>) => void, onShow: (show: () => void) => void}} Part */

/** What is due to one payee, and how it is paid. @param {Part} part @param {string} payee @param {Line[]} lines @param {number} turn */
function payeePart(part, payee, lines, turn) {
  const [{ payee_name }] = lines;
  const sum = h("span", { class: "money" });
  const state = h("div", { role: "status" });
  const show = h("div", { class: "stack tight" }, state, button("money", t("phone.money.show_code"), { look: "wide", id: `vietqr-${turn}`, on: { click: () => transfer(part, payee, lines, turn) } }));
  part.onShow(() => {
    const value = part.get();
    const dong = dueTo(value, lines);
    sum.textContent = money(dong);
    show.hidden = !isByBank(value, payee) || dong === 0;
    const isSeen = value.seen?.[payee] === dong;
    fill(state, isSeen ? say("good", "check", h("p", t("phone.money.seen_done"))) : say("warn", "clock", h("p", t("phone.money.not_seen"))));
  });
  const severalItems = new Set(part.items.map((item) => item.id)).size > 1;
  return h(
    "fieldset",
    { class: "payee", dataset: { payee } },
    h("legend", h("span", { lang: "vi" }, payee_name), " ", sum),
    lines.map((line) => h("p", { class: "pocket" }, h("span", word("charge", line.kind), severalItems && [" · ", h("span", { class: "code" }, line.barcode)]), h("span", { class: "money" }, money(line.amount_dong)))),
    part.known.accounts?.[payee] ? [methods(part, payee, turn), show] : h("p", { class: "soft" }, t("phone.money.cash_only")),
    amounts(part, lines),
  );
}

/** @param {Part} part @param {string} payee @param {number} turn */
function methods(part, payee, turn) {
  const choice = (/** @type {"cash" | "bank_qr"} */ method) => {
    const choose = () => {
      const others = (part.get().bank ?? []).filter((one) => one !== payee);
      part.set({ bank: method === "bank_qr" ? [...others, payee] : others });
    };
    const checked = isByBank(part.get(), payee) === (method === "bank_qr");
    return h("label", { class: "pick" }, h("input", { type: "radio", name: `method-${turn}`, id: `method-${turn}-${method}`, value: method, checked, on: { change: choose } }), h("span", word("method", method)));
  };
  return h("div", { class: "picks", role: "radiogroup", "aria-label": t("stop.method") }, choice("cash"), choice("bank_qr"));
}

/** Another amount than what is due: rarely, so it is folded away. @param {Part} part @param {Line[]} lines */
function amounts(part, lines) {
  const field = (/** @type {Line} */ line) => {
    const kept = part.get().amounts?.[line.charge];
    const input = h("input", {
      id: `amount-${line.charge}`,
      class: "amount",
      inputmode: "numeric",
      autocomplete: "off",
      value: kept === undefined || kept === null ? grouped(line.amount_dong) : grouped(kept),
    });
    input.addEventListener("input", () => {
      const { [line.charge]: _, ...others } = part.get().amounts ?? {};
      const dong = dongOf(input.value);
      input.setAttribute("aria-invalid", String(dong === null));
      part.set({ amounts: dong === line.amount_dong ? others : { ...others, [line.charge]: dong } });
    });
    return h("div", { class: "field" }, h("label", { for: input.id }, `${word("charge", line.kind)} (${money(line.amount_dong)})`), input);
  };
  const isOpen = lines.some((line) => line.charge in (part.get().amounts ?? {}));
  return h("details", { class: "more", open: isOpen }, h("summary", t("phone.money.other_amount")), lines.map(field));
}

const grouped = (/** @type {number} */ dong) => money(dong).replace(/\s.*$/, "");

/** Why it is not what is due; asked for as soon as it is not. @param {Part} part */
function reasonPart(part) {
  const text = h("input", { id: "money-reason-text", maxlength: LONGEST_REASON, autocomplete: "off", value: part.get().reason_text ?? "" });
  text.addEventListener("input", () => part.set({ reason_text: text.value }));
  const other = h("div", { class: "field" }, h("label", { for: text.id }, t("phone.money.reason_which")), text);
  const told = h("div");
  const box = h(
    "fieldset",
    { class: "payee", id: "money-reason" },
    h("legend", t("phone.money.reason")),
    told,
    REASONS.map((code) =>
      h(
        "label",
        { class: "pick" },
        h("input", { type: "radio", name: "money-reason", id: `money-reason-${code}`, value: code, checked: part.get().reason === code, on: { change: () => part.set({ reason: code }) } }),
        h("span", t(`phone.money.reasons.${code}`)),
      ),
    ),
    other,
  );
  part.onShow(() => {
    const found = objectionsOf(part.items, part.get()).filter(({ code }) => ["underpaid", "overpaid", "amount-unreadable"].includes(code));
    box.hidden = !found.length;
    other.hidden = part.get().reason !== "other";
    fill(told, found.map(({ words }) => say("warn", "alert", h("p", words))));
  });
  return box;
}

/** What the payer gave in notes, and what he gets back. @param {Part} part */
function changePart(part) {
  const input = h("input", { id: "given", class: "amount", inputmode: "numeric", autocomplete: "off", value: part.get().given ? grouped(part.get().given ?? 0) : "" });
  input.addEventListener("input", () => part.set({ given: dongOf(input.value) ?? 0 }));
  const add = (/** @type {number} */ dong) => {
    const given = dong && (part.get().given ?? 0) + dong;
    input.value = given ? grouped(given) : "";
    part.set({ given });
  };
  const note = (/** @type {number} */ dong) => button("", `+ ${money(dong)}`, { id: `note-${dong}`, on: { click: () => add(dong) } });
  const back = h("p", { class: "pocket strong", id: "change", role: "status" });
  const box = h(
    "fieldset",
    { class: "payee" },
    h("legend", t("phone.money.change")),
    h("div", { class: "notes-given" }, NOTES.map(note)),
    h("div", { class: "row end" }, h("div", { class: "field grow" }, h("label", { for: "given" }, t("stop.given")), input), button("undo", t("phone.money.clear"), { on: { click: () => add(0) } })),
    back,
  );
  part.onShow(() => {
    const { cash } = totalsOf(part.items, part.get());
    const given = part.get().given ?? 0;
    box.hidden = cash === 0;
    back.hidden = given === 0;
    back.dataset.back = String(given - cash);
    fill(back, h("span", t(given < cash ? "phone.money.still_missing" : "stop.change")), " ", h("span", { class: "money" }, money(Math.abs(given - cash))));
  });
  return box;
}

/** The sum, in sight as long as any of the money is; and the limit of what a postman may carry. @param {Part} part */
function sumPart(part) {
  const box = h("div", { class: "money-sum", id: "money-sum", role: "status" });
  const limit = h("div");
  part.onShow(() => {
    const { all, cash, bank } = totalsOf(part.items, part.get());
    const row = (/** @type {string} */ words, /** @type {number} */ dong) => h("p", { class: "pocket" }, h("span", words), h("span", { class: "money" }, money(dong)));
    box.dataset.all = String(all);
    fill(
      box,
      h("p", { class: "sum" }, h("span", t("stop.total")), h("span", { class: "money" }, money(all))),
      bank > 0 && [row(word("method", "cash"), cash), row(word("method", "bank_qr"), bank)],
    );
    const { carried_dong, limit_dong } = part.known.cash;
    const isOver = cash > 0 && carried_dong + cash > limit_dong;
    fill(limit, isOver && say("bad", "alert", h("p", t("phone.money.over_limit", { carried: money(carried_dong + cash), limit: money(limit_dong) }))));
  });
  return [limit, box];
}

// --------------------------------------------------------------------------------------------------------- the transfer
/** The code that is being shown, or made ready to be. @type {{dialog: HTMLDialogElement | null} | null} */
let onShow = null;
const close = () => onShow?.dialog?.close();
// What was on the screen before the phone was locked, or before the way back, must not stand above what comes after.
vault.onLock(close);
addEventListener("hashchange", close);

/**
 * The code for the payer's phone, over the whole screen, with everything in it also in words.
 * @param {Part} part @param {string} payee @param {Line[]} lines @param {number} turn which of the payees at this door
 */
async function transfer(part, payee, lines, turn) {
  if (onShow) return;
  const mine = (onShow = /** @type {{dialog: HTMLDialogElement | null}} */ ({ dialog: null }));
  try {
    mine.dialog = await transferDialog(part, payee, lines, turn);
  } catch (fault) {
    onShow = null;
    throw fault;
  }
  mine.dialog.addEventListener("close", () => {
    mine.dialog?.remove();
    onShow = null;
    document.getElementById(`vietqr-${turn}`)?.focus();
  });
  document.body.append(mine.dialog);
  mine.dialog.showModal();
}

/** @param {Part} part @param {string} payee @param {Line[]} lines @param {number} turn @returns {Promise<HTMLDialogElement>} */
async function transferDialog(part, payee, lines, turn) {
  const account = part.known.accounts[payee];
  const dong = dueTo(part.get(), lines);
  const purpose = part.get().purposes?.[payee] ?? purposeOf({ receipt: await outbox.nextReceipt(), turn, barcode: lines[0].barcode });
  part.set({ purposes: { ...part.get().purposes, [payee]: purpose } });
  const text = payload({ bin: account.bin, account: account.account, amount_dong: dong, purpose });
  const fact = (/** @type {string} */ key, /** @type {any} */ words) => [h("dt", t(key)), h("dd", words)];
  const done = () => {
    part.set({ seen: { ...part.get().seen, [payee]: dong } });
    close();
  };
  return h(
    "dialog",
    { class: "whole", id: "vietqr", "aria-labelledby": "vietqr-title", dataset: { payload: text } },
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "vietqr-title" }, t("phone.money.transfer")),
      h("p", { class: "big-money" }, h("span", { class: "money" }, money(dong))),
      h("p", { lang: "vi" }, spelled(dong)),
      await qr(text, t("phone.money.code_label", { amount: money(dong), payee: lines[0].payee_name })),
      h(
        "dl",
        { class: "facts" },
        fact("stop.payee", h("span", { lang: "vi" }, lines[0].payee_name)),
        fact("phone.money.account_name", account.name),
        fact("phone.money.account", h("span", { class: "code" }, account.account)),
        fact("phone.money.bank", h("span", { class: "code" }, account.bin)),
        fact("phone.money.purpose", h("span", { class: "code strong", id: "purpose" }, purpose)),
      ),
      say("warn", "info", h("p", t("phone.money.transfer_more"))),
      h("div", { class: "bar" }, button("check", t("phone.money.seen"), { look: "main", id: "transfer-seen", on: { click: done } }), button("cross", t("phone.money.close"), { id: "transfer-close", on: { click: close } })),
    ),
  );
}
