// @ts-check
// The invitation (giay moi) after a failed attempt: the words for the paper slip, and for a message to the recipient. They name
// no kind of paper and nobody but the recipient himself.

import * as bag from "./bag.js";
import { bar, button, clock, day, h, heading, say, t, visitDay } from "./dom.js";

/** @param {{event: string}} params */
export async function screen({ event }) {
  const known = await bag.today();
  const act = known?.acts.find((/** @type {any} */ one) => one.event_id === event && one.type === "attempt_failed");
  if (!known || !act) {
    return h("div", { class: "stack" }, heading(t("phone.notice.title")), say("warn", "info", h("p", t("phone.notice.unknown"))), bar(toList(known)));
  }
  const reason = known.reasons.find((/** @type {any} */ one) => one.code === act.local.reason);
  const items = bag.itemsOf(known).filter((item) => act.items.includes(item.id));
  const phone = bag.stopOf(known, act.local.stop)?.phone;
  const told = h("div", { role: "status" });
  const invites = reason?.then === "retry" || reason?.counts;
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.notice.title"), `/stop/${act.local.stop}`),
    h("div", { role: "status" }, say("good", "check", h("p", { class: "strong" }, t("phone.notice.saved", { stop: bag.numberOf({ sequence: act.local.sequence ?? null }, "phone.failed.stop") })), h("p", t(act.local.next_on ? "phone.failed.next" : "phone.notice.no_day", { day: act.local.next_on ? visitDay(act.local.next_on) : "" })))),
    reason && h("p", { lang: "vi" }, reason.measure),
    invites ? recipients(items).map(([name, own]) => slip(known, act, name, own, phone, told)) : null,
    told,
    bar(toList(known)),
  );
}

/** @param {any} known */
function toList(known) {
  const next = known?.stops.find((/** @type {any} */ stop) => stop.open);
  return next
    ? button("next", t("phone.door.go_next", { number: next.sequence }), { look: "main", href: `#/stop/${next.id}` })
    : button("back", t("phone.core.to_list"), { look: "main", href: "#/" });
}

/** One slip for each person, however agencies write his name. @param {any[]} items @returns {[string, any[]][]} */
function recipients(items) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const item of items) {
    const who = bag.plain(item.recipient);
    found.set(who, [...(found.get(who) ?? []), item]);
  }
  return [...found.values()].map((own) => [own[0].recipient, own]);
}

/** @param {any} known @param {any} act @param {string} name @param {any[]} items @param {string | null | undefined} phone @param {HTMLElement} told */
function slip(known, act, name, items, phone, told) {
  const words = wordsOf(known, act, name, items);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(words.join("\n"));
      told.replaceChildren(say("good", "check", h("p", t("phone.notice.copied"))));
    } catch {
      // The browser may forbid it; the words can still be read and selected.
      told.replaceChildren(say("warn", "info", h("p", t("phone.notice.not_copied"))));
    }
  };
  const body = encodeURIComponent(words.slice(1).join(" "));
  return h(
    "section",
    { class: "card", "aria-label": name },
    h("div", { class: "slip", lang: "vi" }, words.map((line, at) => h("p", { class: at ? null : "strong" }, line))),
    h(
      "div",
      { class: "actions" },
      phone && button("phone", t("phone.notice.sms"), { href: `sms:${phone}?body=${body}` }),
      button("paper", t("phone.notice.copy"), { on: { click: copy } }),
    ),
  );
}

/** The slip line by line; the first is its head. It is Vietnamese whatever language the app speaks. @param {any} known @param {any} act @param {string} name @param {any[]} items */
function wordsOf(known, act, name, items) {
  const fetches = items.every((item) => item.direction === "submission");
  const kept = items.map((item) => item.kept_until).filter(Boolean).sort()[0];
  const values = {
    name,
    day: day(act.at),
    time: clock(act.at),
    office: known.office.name,
    codes: items.map((item) => item.barcode).join(", "),
    kept: day(kept),
    next: day(act.local.next_on),
  };
  return [
    t("phone.notice.slip.head"),
    t("phone.notice.slip.dear", values),
    t(fetches ? "phone.notice.slip.came_to_fetch" : "phone.notice.slip.came", values),
    act.local.next_on ? t("phone.notice.slip.again", values) : null,
    kept ? t(act.local.next_on ? "phone.notice.slip.or_office" : "phone.notice.slip.office", values) : null,
    kept ? t("phone.notice.slip.bring") : null,
    t("phone.notice.slip.codes", values),
  ].filter((line) => line !== null);
}
