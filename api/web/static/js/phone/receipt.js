// @ts-check
// What a citizen reads, or photographs, off the phone: the temporary receipt with its number, the items by their codes and never by the
// kind of paper, and what was paid to whom in figures and words; and of a dossier that was fetched the slip with its code.

import * as bag from "./bag.js";
import { bar, button, clock, day, h, heading, money, say, t, word } from "./dom.js";
import * as outbox from "./outbox.js";
import { qr } from "./qr.js";
import { spelled } from "./spelled.js";

/** @param {{event: string}} params */
export async function screen({ event }) {
  const [acts, known, me] = await Promise.all([outbox.acts(), bag.today(), outbox.me()]);
  const act = acts.find((one) => one.event_id === event);
  const { receipt, slip } = act?.local ?? {};
  const title = t(slip ? "phone.receipt.slip" : "phone.receipt.title");
  const isUndone = acts.some((one) => one.type === "corrected" && one.local.corrects === event);
  const items = known ? bag.itemsOf(known) : [];
  return h(
    "div",
    { class: "stack" },
    heading(title),
    !receipt && !slip && say("warn", "info", h("p", t("phone.receipt.none"))),
    isUndone && say("bad", "alert", h("p", { class: "strong" }, t("phone.receipt.undone"))),
    slip && (await slipOf(act, me)),
    receipt && receiptOf(act, items, me),
    bar(button("back", t("phone.core.to_list"), { look: "main", href: "#/", id: "to-list" })),
  );
}

/** @param {any} act @param {any[]} items of the bag @param {any} me */
function receiptOf({ at, items: ids, local }, items, me) {
  const barcodes = ids.map((/** @type {string} */ id) => items.find((item) => item.id === id)?.barcode).filter(Boolean);
  const names = new Map(items.flatMap((item) => item.charges.map((/** @type {any} */ charge) => [charge.payee, charge.payee_name])));
  const all = sum(local.collections);
  return h(
    "section",
    { class: "card receipt", "aria-label": t("phone.receipt.title"), dataset: { receipt: local.receipt } },
    h("p", t("phone.receipt.number")),
    h("p", { class: "receipt-number code" }, local.receipt),
    h("p", { class: "soft" }, `${clock(at)}, ${day(at)}`),
    barcodes.length > 0 && [h("h2", t("phone.receipt.items")), h("ul", { class: "plain" }, barcodes.map((/** @type {string} */ code) => h("li", { class: "code" }, code)))],
    h("h2", t("phone.receipt.paid")),
    payees(local.collections).map(([payee, lines]) => share(names.get(payee) ?? word("payee", payee.split(":")[0]), lines)),
    h("p", { class: "sum" }, h("span", t("stop.total")), h("span", { class: "money", id: "receipt-total" }, money(all))),
    h("p", { lang: "vi", id: "receipt-words" }, spelled(all)),
    local.bank_dong > 0 && h("p", t("phone.receipt.bank", { amount: money(local.bank_dong) })),
    signature(me),
    h("p", { class: "soft" }, t("phone.receipt.official")),
  );
}

/** The sender's proof that the dossier went with the postman: the papers as they were counted, and the code to ask for it by. @param {any} act @param {any} me */
async function slipOf({ at, local }, me) {
  return h(
    "section",
    { class: "card receipt", "aria-label": t("phone.receipt.slip"), dataset: { slip: local.slip } },
    h("p", t("phone.receipt.slip_code")),
    h("p", { class: "receipt-number code" }, local.slip),
    await qr(local.slip, t("phone.receipt.slip_qr", { code: local.slip })),
    h("p", { class: "soft" }, `${clock(at)}, ${day(at)}`),
    h("h2", t("phone.receipt.papers")),
    h(
      "ul",
      local.papers.map((/** @type {any} */ { name, original, count }) =>
        h("li", h("span", { lang: "vi" }, name), ` · ${t(original ? "phone.fetch.original" : "phone.fetch.copy")} · ${t("phone.fetch.count", { count })}`),
      ),
    ),
    h("p", typeof local.sealed === "string" ? t("phone.receipt.seal", { number: local.sealed }) : t("phone.receipt.sealed")),
    signature(me),
  );
}

/** @param {any} me */
const signature = (me) => h("p", { class: "soft" }, [t("phone.receipt.by", { name: me?.staff.name ?? "" }), me?.staff.office?.name].filter(Boolean).join(", "));

/** @param {any[]} lines */
const sum = (lines) => lines.reduce((all, line) => all + line.amount_dong, 0);

/** @param {any[]} lines @returns {[string, any[]][]} */
const payees = (lines) => [...new Set(lines.map((line) => line.payee))].map((payee) => [payee, lines.filter((line) => line.payee === payee)]);

/** @param {string} name @param {any[]} lines */
const share = (name, lines) =>
  h(
    "div",
    { class: "payee" },
    h("p", { class: "pocket strong" }, h("span", { lang: "vi" }, name), h("span", { class: "money" }, money(sum(lines)))),
    lines.map((line) => h("p", { class: "pocket soft" }, h("span", `${word("charge", line.kind)} · ${word("method", line.method)}`), lines.length > 1 && h("span", { class: "money" }, money(line.amount_dong)))),
    h("p", { lang: "vi" }, spelled(sum(lines))),
  );
