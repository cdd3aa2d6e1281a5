// @ts-check
// One door, readable without a signal: who may receive, what is shown, handed in and collected, how to call and to get there,
// what was recorded here, and what can be recorded now.

import * as bag from "./bag.js";
import { noteCall } from "./calls.js";
import { bar, button, clock, freshNote, h, has, heading, money, say, t, word } from "./dom.js";
import { picturePart } from "./doorway.js";
import { heardPart } from "./heard.js";
import { reasons, standing } from "./list.js";

export const live = true;
// Nothing is left to be wished for.
const FINAL = ["delivered", "picked_up", "returned", "lodged", "cancelled", "fetched", "at_office"];

/** @param {{id: string}} params @param {AbortSignal} signal */
export async function screen({ id }, signal) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, id);
  if (!stop) return h("div", { class: "stack" }, heading(t("route.title")), say("warn", "info", h("p", t("phone.door.gone"))));
  // A paper from beside the route may have no position: then the map is asked for the address.
  const place = stop.lat === null ? `0,0?q=${encodeURIComponent(stop.address)}` : `${stop.lat},${stop.lon}?q=${stop.lat},${stop.lon}`;
  const gates = new Map();
  for (const item of stop.items) if (item.gate_photo) gates.set(item.id, await picturePart(item, known.date, signal));
  return h(
    "div",
    { class: "stack" },
    heading(stop.address),
    freshNote(),
    h("p", { class: "row" }, h("span", { class: "soft" }, stop.sequence === null ? bag.numberOf(stop) : `${bag.numberOf(stop)} ~ ${clock(stop.arrives_at)}`), standing(stop)),
    reasons(stop).map((words) => say("warn", "clock", h("p", words))),
    h(
      "p",
      { class: "actions" },
      stop.phone && button("phone", t("stop.call"), { href: `tel:${stop.phone}`, on: { click: () => void noteCall(stop.id) } }),
      button("pin", t("stop.navigate"), { href: `geo:${place}` }),
      button("paper", t("phone.door.address"), { href: `#/address/${stop.id}`, id: "address" }),
    ),
    stop.items.map((/** @type {any} */ item) => card(known, stop, item, gates.get(item.id))),
    acts(stop),
    bar(...actions(stop)),
  );
}

/** The one main action, then what else can be recorded here. @param {any} stop */
function actions(stop) {
  const results = stop.items.filter(bag.canHandOver);
  const fetches = stop.items.filter(bag.canFetch);
  const links = [];
  if (results.length) links.push(button("check", t("phone.door.hand_over"), { look: "main", href: `#/handover/${stop.id}`, id: "hand-over" }));
  for (const item of fetches) {
    const look = links.length ? "wide" : "main";
    links.push(button("paper", t("phone.door.fetch"), { look, href: `#/fetch/${stop.id}/${item.id}` }));
  }
  if (stop.open) links.push(button("alert", t("stop.cannot"), { look: "bad wide", href: `#/failed/${stop.id}`, id: "cannot" }));
  return links.length ? links : [button("back", t("phone.core.to_list"), { look: "main", href: "#/" })];
}

/** What this phone recorded here; a slip is taken back by a correction. @param {any} stop */
function acts(stop) {
  const own = bag.actsAt(stop);
  if (!own.length) return null;
  return h(
    "section",
    { class: "stack tight" },
    h("h2", t("stop.acts")),
    own.map((act) =>
      h(
        "div",
        { class: "card", dataset: { event: act.event_id } },
        h("p", { class: "row apart" }, h("span", { class: "strong" }, whatOf(act.type)), h("span", { class: "number" }, clock(act.at))),
        act.local.wish && h("p", act.local.wish),
        h("p", standing({ standing: bag.standingOfAct(act) })),
        act.local.receipt && h("p", button("paper", t("phone.receipt.show", { number: act.local.receipt }), { look: "wide", href: `#/receipt/${act.event_id}` })),
        h(
          "p",
          { class: "actions" },
          act.type === "attempt_failed" && button("paper", t("phone.door.notice"), { href: `#/notice/${act.event_id}` }),
          bag.UNDOABLE.includes(act.type) && button("undo", t("phone.door.undo"), { href: `#/undo/${act.event_id}` }),
        ),
      ),
    ),
  );
}

/** @param {string} type an act on an item, or what was told of the way */
const whatOf = (type) => (has(`event.${type}`) ? word("event", type) : t(`phone.core.shift.${type}`));

/** @param {any} known @param {any} stop @param {any} item @param {HTMLElement | undefined} gate */
function card(known, stop, item, gate) {
  const rule = known.rules[item.rule];
  const lines = /** @type {[string, string | null][]} */ ([
    ["stop.instructions", item.instructions],
    ["stop.authorised", item.authorised],
    ["stop.note", item.note],
  ]);
  return h(
    "section",
    { class: "card", "aria-label": `${item.recipient} ${item.barcode}` },
    h("h2", item.recipient),
    h("p", h("span", { class: "code" }, item.barcode), " · ", word("state", item.state)),
    gate,
    lines.map(([key, words]) => words && h("p", { class: "lines" }, h("span", { class: "strong" }, t(key)), " ", words)),
    h("h3", t("stop.who")),
    h("p", { lang: "vi" }, rule.who),
    Object.entries(rule.show).map(([person, papers]) =>
      h("p", { lang: "vi" }, `${word("person", person)}: ${/** @type {string[]} */ (papers).join(", ")}`),
    ),
    rule.surrender.length > 0 && [
      h("h3", t("stop.surrender")),
      h("ul", rule.surrender.map((/** @type {any} */ paper) => h("li", { lang: "vi" }, paper.name))),
    ],
    h("h3", t("stop.money")),
    item.charges.length
      ? item.charges.map((/** @type {any} */ charge) =>
          h("p", { class: "pocket" }, h("span", `${word("charge", charge.kind)} · ${charge.payee_name}`), h("span", { class: "money" }, money(charge.amount_dong))),
        )
      : h("p", t("stop.nothing_due")),
    heardPart(item),
    !FINAL.includes(item.state) && h("p", button("person", t("phone.wish.open"), { look: "wide", href: `#/wish/${stop.id}/${item.id}`, dataset: { wish: item.id } })),
  );
}
