// @ts-check
// The day in order, readable without a signal: which door is next, when, why then, what is to be collected, what is done and
// whether the office knows.

import * as bag from "./bag.js";
import { bar, button, clock, day, freshNote, h, heading, icon, money, say, t, word } from "./dom.js";

export const live = true;

/** What was typed into the search, for as long as the app is open. */
let sought = "";

export async function screen() {
  const known = await bag.today();
  if (!known) {
    return h("div", { class: "stack" }, heading(t("route.title"), null), say("", "info", h("p", t("phone.door.none"))), bar(again()));
  }
  const next = known.stops.find((/** @type {any} */ stop) => stop.open);
  const doors = h("div", { class: "stack", id: "doors" });
  const fill = () => doors.replaceChildren(...parts(known, next).filter(Boolean));
  fill();
  return h(
    "div",
    { class: "stack" },
    heading(t("route.title"), null),
    freshNote(),
    summary(known),
    known.stops.length > 0 && search(fill),
    doors,
    beside(known),
    // What was wished may lead a paper off the route: the answers stand here too.
    known.filed?.length > 0 && (await import("./heard.js")).filedPart(known.filed),
    tools(known),
    bar(mainAction(known, next)),
  );
}

const again = () => button("upload", t("phone.door.ask_again"), { look: "main", on: { click: () => bag.load() } });

/** How far the day is, what is in the bag, and how much may still be carried. @param {any} known */
function summary(known) {
  const { stops, cash } = known;
  const done = stops.filter((/** @type {any} */ stop) => !stop.open).length;
  const words = t("phone.door.progress", { done, all: stops.length });
  const over = cash.carried_dong > cash.limit_dong;
  return h(
    "section",
    { class: "card dense", "aria-label": t("phone.door.summary") },
    h("p", { class: "row apart" }, h("span", { class: "strong" }, words), h("span", t("phone.door.carried", { count: bag.carried(known).length }))),
    h("progress", { max: Math.max(1, stops.length), value: done, "aria-label": words }),
    over && say("bad", "alert", h("p", t("phone.door.over_limit"))),
    h(
      "p",
      { class: "soft small" },
      t("phone.door.cash_limit", { cash: money(cash.carried_dong), limit: money(cash.limit_dong) }),
      h("br"),
      t("phone.door.of", { day: day(known.date), time: clock(known.server_time) }),
    ),
  );
}

/** @param {() => void} fill */
function search(fill) {
  const field = h("input", { id: "find", type: "search", value: sought, autocomplete: "off", enterkeyhint: "search", placeholder: t("phone.door.find") });
  field.addEventListener("input", () => {
    sought = field.value;
    fill();
  });
  return h("div", { class: "field" }, h("label", { for: "find", class: "hidden-words" }, t("phone.door.find")), field);
}

/** @param {any} known @param {any} next */
function parts(known, next) {
  const words = plain(sought).split(" ").filter(Boolean);
  const fits = (/** @type {any} */ stop) => words.every((word) => bag.searchable(stop).includes(word));
  const found = known.stops.filter(fits);
  const list = (/** @type {any[]} */ stops) => h("ol", { class: "plain stops" }, stops.map((stop) => h("li", door(stop, stop === next))));
  if (!known.stops.length) return [say("", "info", h("p", t("route.empty")))];
  if (words.length) return found.length ? [list(found)] : [say("", "info", h("p", t("phone.door.not_found")))];
  const past = found.filter((/** @type {any} */ stop) => !stop.open);
  const ahead = found.filter((/** @type {any} */ stop) => stop.open);
  return [
    ahead.length > 0 && list(ahead),
    past.length > 0 && h("details", { class: "more", id: "past", open: ahead.length === 0 }, h("summary", icon("check"), t("route.past", { count: past.length })), list(past)),
  ];
}

const { plain } = bag;

/** @param {any} stop @param {boolean} isNext */
function door(stop, isNext) {
  const names = [...new Set(stop.items.map((/** @type {any} */ item) => item.recipient))].join(", ");
  const due = stop.items.filter((/** @type {any} */ item) => item.open).flatMap((/** @type {any} */ item) => item.charges);
  const sum = due.reduce((/** @type {number} */ all, /** @type {any} */ charge) => all + charge.amount_dong, 0);
  const look = isNext ? "next" : stop.open ? "" : "past";
  const hasFetch = stop.items.some((/** @type {any} */ item) => item.direction === "submission");
  return h(
    "a",
    { class: `stop ${look}`, href: `#/stop/${stop.id}`, "aria-current": isNext ? "step" : null, dataset: { standing: stop.standing } },
    h("span", { class: "order" }, h("b", stop.sequence), h("span", `~ ${clock(stop.arrives_at)}`)),
    h(
      "span",
      { class: "what" },
      isNext && h("span", { class: "strong" }, t("route.next")),
      h("span", { class: "strong" }, names),
      h("span", stop.address),
      h("span", { class: "row" }, standing(stop), stop.items.length > 1 && h("span", t("route.items", { count: stop.items.length })), hasFetch && h("span", t("route.fetch"))),
      stop.open && reasons(stop).map((words) => h("span", icon("clock"), " ", words)),
      sum > 0 && h("span", t("route.collect"), " ", h("b", money(sum))),
    ),
  );
}

/** What is in the bag and on no route of his: from a colleague, or from an earlier day. @param {any} known */
function beside(known) {
  const isHere = (/** @type {any} */ { items: [item] }) => item.in_my_bag || item.acts.length > 0;
  const found = bag.doors(known).filter(isHere);
  if (!found.length) return null;
  const row = (/** @type {any} */ stop) =>
    h(
      "a",
      { class: `stop ${stop.open ? "" : "past"}`, href: `#/stop/${stop.id}`, dataset: { extra: stop.id, standing: stop.standing } },
      h("span", { class: "order" }, icon("bag")),
      h("span", { class: "what" }, h("span", { class: "strong" }, stop.items[0].recipient), h("span", stop.address), h("span", { class: "code" }, stop.items[0].barcode), h("span", { class: "row" }, standing(stop))),
    );
  return h(
    "section",
    { class: "stack tight", id: "beside", "aria-labelledby": "beside-title" },
    h("h2", { id: "beside-title" }, t("phone.door.beside", { count: found.length })),
    h("ul", { class: "plain stops" }, found.map((stop) => h("li", row(stop)))),
  );
}

const LOOKS = /** @type {Record<string, [string, string]>} */ ({
  todo: ["todo", "clock"],
  saved: ["warn", "clock"],
  sent: ["good", "check"],
  review: ["bad", "alert"],
});

/** What became of a stop or an item, and whether the office knows; always in words. @param {any} of */
export function standing(of) {
  const [look, picture] = LOOKS[of.standing];
  return h("span", { class: `state ${look}` }, icon(picture), t(`phone.door.standing.${of.standing}`));
}

/** @param {any} known @param {any} next */
function mainAction(known, next) {
  const waiting = bag.toLoad(known).length;
  if (waiting) return button("bag", t("phone.door.load", { count: waiting }), { look: "main", href: "#/load", id: "main-action" });
  if (next) return button("next", t("phone.door.go_next", { number: next.sequence }), { look: "main", href: `#/stop/${next.id}`, id: "main-action" });
  const left = bag.doors(known).find((stop) => stop.open);
  if (left) return button("next", t("phone.door.go_beside"), { look: "main", href: `#/stop/${left.id}`, id: "main-action" });
  return button("office", t("phone.door.evening"), { look: "main", href: "#/evening", id: "main-action" });
}

/** What is needed now and then. @param {any} known */
function tools(known) {
  const one = (/** @type {string} */ picture, /** @type {string} */ key, /** @type {string} */ href) => h("li", button(picture, t(key), { href, look: "wide" }));
  return h(
    "details",
    { class: "more", id: "tools" },
    h("summary", t("phone.door.tools")),
    h(
      "ul",
      { class: "plain stack tight" },
      known.stops.length > 0 && one("bag", "phone.door.tool.load", "#/load"),
      known.stops.length > 0 && one("map", "phone.door.tool.map", "#/map"),
      known.stops.length > 1 && one("route", "phone.door.tool.order", "#/order"),
      one("return", "phone.door.tool.give", "#/give"),
      one("bag", "phone.door.tool.take", "#/take"),
      one("office", "phone.door.tool.evening", "#/evening"),
      one("alert", "phone.door.tool.trouble", "#/trouble"),
    ),
  );
}

/** Why then, in words; silent where nothing but nearness decides. @param {any} stop @returns {string[]} */
export const reasons = (stop) =>
  stop.why
    .filter((/** @type {any} */ why) => why.code !== "near")
    .map((/** @type {any} */ why) =>
      t(`phone.door.why.${why.code}`, {
        at: clock(why.at),
        to: why.code === "deadline" ? day(why.to) : clock(why.to),
        name: why.name ?? "",
      }),
    );
