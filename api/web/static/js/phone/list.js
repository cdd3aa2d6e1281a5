// @ts-check
// The day in order, readable without a signal: which door is next, when, why then, and what is to be collected.

import * as bag from "./bag.js";
import { bar, button, clock, day, h, heading, icon, money, say, t, word } from "./dom.js";

export const live = true;
// States of an item that still wait for the postman.
export const OPEN = ["planned", "out", "attempted"];

export async function screen() {
  const known = await bag.today();
  if (!known) return h("div", { class: "stack" }, heading(t("route.title"), null), say("", "info", h("p", t("phone.door.none"))), forms());
  const next = known.stops.find((/** @type {any} */ stop) => stop.items.some(isOpen));
  return h(
    "div",
    { class: "stack" },
    heading(t("route.title"), null),
    h("p", { class: "soft" }, t("phone.door.of", { day: day(known.date), time: clock(known.server_time) })),
    known.stops.length
      ? h("ol", { class: "plain stops" }, known.stops.map((/** @type {any} */ stop) => h("li", door(stop, stop === next))))
      : say("", "info", h("p", t("route.empty"))),
    forms(),
  );
}

/** @param {any} item */
const isOpen = (item) => OPEN.includes(item.state);

const forms = () => bar(button("check", t("phone.door.forms"), { look: "main", href: "/p" }));

/** @param {any} stop @param {boolean} isNext */
function door(stop, isNext) {
  const names = [...new Set(stop.items.map((/** @type {any} */ item) => item.recipient))].join(", ");
  const due = stop.items.filter(isOpen).flatMap((/** @type {any} */ item) => item.charges);
  const sum = due.reduce((/** @type {number} */ all, /** @type {any} */ charge) => all + charge.amount_dong, 0);
  const look = isNext ? "next" : stop.items.some(isOpen) ? "" : "past";
  return h(
    "a",
    { class: `stop ${look}`, href: `#/stop/${stop.id}`, "aria-current": isNext ? "step" : null },
    h("span", { class: "order" }, h("b", stop.sequence), h("span", `~ ${clock(stop.arrives_at)}`)),
    h(
      "span",
      { class: "what" },
      isNext && h("span", { class: "strong" }, t("route.next")),
      h("span", { class: "strong" }, names),
      h("span", stop.address),
      h("span", { class: "state" }, word("state", stop.items[0].state)),
      reasons(stop).map((words) => h("span", icon("clock"), " ", words)),
      sum > 0 && h("span", t("route.collect"), " ", h("b", money(sum))),
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
