// @ts-check
// What was wished at a door and what the office answered, in words: on the card of the paper and above the form of a new wish.

import { clock, day, h, icon, t, visitDay, word } from "./dom.js";

const LOOKS = /** @type {Record<string, string>} */ ({ waiting: "todo", granted: "good", refused: "bad", overtaken: "warn" });

/** @param {{from: string, to: string}} window */
export const windowWords = (window) => t("heard.one", { day: visitDay(window.from.slice(0, 10)), opens: clock(window.from), closes: clock(window.to) });

/** The wishes of a paper that the office knows of, the latest first. @param {any} item */
export function heardPart(item) {
  const wishes = item.wishes ?? [];
  if (!wishes.length) return null;
  return h("section", { class: "stack tight heard" }, h("h3", t("heard.told")), wishes.map(one));
}

/** What the bearer filed in the last days, for whichever paper. @param {any[]} filed */
export function filedPart(filed) {
  return h(
    "details",
    { class: "more", id: "filed" },
    h("summary", icon("person"), t("heard.filed", { count: filed.length })),
    h("ul", { class: "plain stack" }, filed.map((wish) => h("li", { class: "card" }, h("p", { class: "strong" }, wish.recipient), h("p", { class: "code" }, wish.barcode), one(wish)))),
  );
}

/** @param {any} wish */
function one(wish) {
  return h(
    "div",
    { class: "stack tight", dataset: { wish: wish.id, outcome: wish.outcome } },
    h("p", h("span", { class: "strong" }, wishWords(wish)), h("br"), h("span", { class: "soft small" }, t("heard.by", { at: `${clock(wish.heard_at)} ${day(wish.heard_at)}` }))),
    h("p", h("span", { class: `state ${LOOKS[wish.outcome]}` }, t(`heard.outcome.${wish.outcome}`))),
    wish.outcome === "waiting" && h("p", t("heard.waits")),
    wish.code && h("p", word("refused", wish.code)),
    wish.window && h("p", t("heard.window", { day: visitDay(wish.window.from.slice(0, 10)), opens: clock(wish.window.from), closes: clock(wish.window.to) })),
    wish.offered.length > 0 && h("p", t("heard.offered", { windows: wish.offered.map(windowWords).join("; ") })),
  );
}

/** @param {any} wish what was wished, in one line */
export function wishWords(wish) {
  const when = wish.day && [visitDay(wish.day), t(`heard.half.${wish.half ?? "any"}`)].join(", ");
  return [t(`heard.kind.${wish.kind}`), when, wish.words].filter(Boolean).join(" · ");
}
