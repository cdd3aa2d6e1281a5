// @ts-check
// Everything this phone has saved: what waits, what the office has, what it would not take or doubts, each in words.

import { bar, button, clock, day, h, heading, icon, money, say, t, word } from "./dom.js";
import * as outbox from "./outbox.js";

export const live = true;
const LOOKS = /** @type {Record<string, [string, string]>} */ ({
  waiting: ["todo", "clock"],
  sending: ["todo", "upload"],
  sent: ["good", "check"],
  doubted: ["warn", "alert"],
  review: ["bad", "alert"],
});

export async function screen() {
  const [rows, status, known] = await Promise.all([outbox.rows(), outbox.status(), outbox.acts()]);
  const acts = new Map(known.map((act) => [act.event_id, act]));
  const inReview = rows.filter((/** @type {any} */ row) => row.needs_review);
  const waiting = rows.filter((/** @type {any} */ row) => !row.needs_review && !isWhole(row));
  const sent = rows.filter((/** @type {any} */ row) => !row.needs_review && isWhole(row));
  const part = (/** @type {string} */ key, /** @type {any[]} */ list) =>
    list.length > 0 &&
    h("section", { class: "stack tight" }, h("h2", t(key, { count: list.length })), h("ul", { class: "plain acts" }, list.map((row) => one(row, acts.get(row.event_id)))));
  const left = status.pending + status.media_pending + status.refused + status.media_refused;
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.core.outbox.title")),
    summary(status, rows.length),
    part("phone.core.outbox.review", inReview),
    part("phone.core.outbox.waiting", waiting),
    part("phone.core.outbox.sent", sent),
    left > 0 &&
      h(
        "details",
        { class: "more", id: "rescue" },
        h("summary", t("phone.core.outbox.rescue")),
        h("p", t("phone.core.outbox.rescue_more")),
        h("p", button("download", t("phone.core.outbox.rescue_save"), { on: { click: saveFile }, id: "save-rescue" })),
      ),
    bar(
      button("upload", t(left ? "phone.core.outbox.send" : "phone.core.outbox.nothing"), {
        look: "main",
        id: "send-now",
        disabled: left === 0 || status.flushing,
        on: { click: () => outbox.retry() },
      }),
    ),
  );
}

/** Also its pictures are with the office. @param {any} row */
const isWhole = (row) => row.state === "sent" && row.media_waiting === 0;

/** @param {Awaited<ReturnType<typeof outbox.status>>} status @param {number} count */
function summary(status, count) {
  if (!count) return say("", "info", h("p", t("phone.core.outbox.empty")));
  const waiting = status.pending + status.media_pending;
  if (!waiting && !status.review && !status.media_refused) return say("good", "check", h("p", { class: "strong" }, t("phone.core.outbox.all_sent")));
  if (!waiting) return null;
  return say("warn", "clock", h("p", { class: "strong" }, t("phone.core.outbox.safe")), h("p", t("phone.core.outbox.safe_more")));
}

/** @param {any} row @param {any} act what it was, where this phone can still read it */
function one(row, act) {
  const kind = row.needs_review && row.state === "sent" ? "doubted" : row.state;
  const [look, picture] = LOOKS[kind];
  return h(
    "li",
    { class: "card", dataset: { event: row.event_id, state: row.state } },
    h("p", { class: "row apart" }, h("span", { class: "strong" }, act ? whatOf(act) : t("phone.core.outbox.closed")), h("span", { class: "number" }, momentOf(row.saved_at))),
    act?.local && detail(act.local),
    h("p", { class: "row" }, h("span", { class: `state ${look}` }, icon(picture), t(`phone.core.outbox.state.${kind}`)), row.media > 0 && h("span", { class: "soft" }, pictures(row))),
    row.needs_review && h("p", reasonOf(row)),
    row.media_code && h("p", t("phone.core.outbox.media_refused")),
    kind === "doubted" &&
      h("p", button("check", t("phone.core.outbox.seen"), { on: { click: () => outbox.markSeen(row.event_id) } })),
  );
}

/** @param {any} row */
const pictures = (row) =>
  row.media_waiting
    ? t("phone.core.outbox.pictures_left", { count: row.media_waiting })
    : t("phone.core.outbox.pictures_sent", { count: row.media });

/** @param {string} at */
const momentOf = (at) => (day(at) === day(Date.now()) ? clock(at) : `${clock(at)} ${day(at)}`);

/** The kind of act and the stop it belongs to; never the kind of paper. @param {any} act */
function whatOf(act) {
  const what = word("event", act.type) === act.type ? t(`phone.core.shift.${act.type}`) : word("event", act.type);
  const place = act.local?.sequence ? t("phone.core.outbox.stop", { number: act.local.sequence }) : "";
  return [what, place].filter(Boolean).join(" · ");
}

/** @param {any} local */
function detail(local) {
  const sums = [local.cash_dong, local.bank_dong].filter((sum) => sum > 0);
  const words = [
    local.receiver && (typeof local.receiver === "string" ? local.receiver : local.receiver.name),
    local.reason && word("reason", local.reason),
    (local.to ?? local.from)?.name,
    local.count > 0 && t("phone.core.outbox.count", { count: local.count }),
    sums.length > 0 && money(sums.reduce((whole, sum) => whole + sum, 0)),
    local.receipt,
    local.wish,
  ].filter(Boolean);
  return words.length > 0 && h("p", words.join(" · "));
}

/** Why the office looks at it again, in words. @param {any} row */
function reasonOf(row) {
  if (row.state === "review") return t("phone.core.outbox.refused", { reason: codeWords(row.code) });
  return t(`phone.core.outbox.result.${row.result}`, { reason: codeWords(row.code) });
}

/** @param {string | null} code */
function codeWords(code) {
  for (const group of ["quarantine", "incident", "phone.core.code"]) {
    if (code && word(group, code) !== code) return word(group, code);
  }
  return code ?? t("phone.core.code.unknown");
}

async function saveFile() {
  const link = h("a", {
    href: URL.createObjectURL(await outbox.rescue()),
    download: `buuta-${day(Date.now()).replaceAll("/", "-")}-${clock(Date.now()).replace(":", "")}.json`,
  });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

