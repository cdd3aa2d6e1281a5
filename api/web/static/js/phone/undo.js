// @ts-check
// A slip taken back: a correction is a fact of its own, nothing that was recorded is ever deleted (behaviour 19).

import * as bag from "./bag.js";
import { bar, button, clock, go, h, heading, leaveNote, money, say, t, word } from "./dom.js";
import * as outbox from "./outbox.js";
import { isKept, isSafe } from "./saving.js";

const REASONS = ["wrong_door", "wrong_item", "thumb", "other"];
const LONGEST = 300;

/** @param {{event: string}} params */
export async function screen({ event }) {
  const known = await bag.today();
  const act = known?.acts.find((/** @type {any} */ one) => one.event_id === event && bag.UNDOABLE.includes(one.type));
  const root = h("div", { class: "stack" }, heading(t("phone.undo.title"), act?.local.stop ? `/stop/${act.local.stop}` : "/"));
  if (!known || !act) {
    root.append(say("warn", "info", h("p", t("phone.undo.unknown"))), bar(toList()));
    return root;
  }
  if (known.acts.some((/** @type {any} */ one) => one.type === "corrected" && one.local.corrects === event)) {
    root.append(say("good", "check", h("p", t("phone.undo.done_before"))), bar(toList()));
    return root;
  }
  const key = `undo|${event}`;
  const form = (await outbox.drafts.get(key)) ?? { event_id: outbox.newId(), reason: "", text: "" };
  const told = h("div");
  const keep = () => isKept(told, () => outbox.drafts.put(key, form));
  await keep();
  const text = h("textarea", { id: "text", maxlength: LONGEST });
  text.value = form.text;
  text.addEventListener("input", () => {
    form.text = text.value;
    void keep();
  });
  const more = h("div", { class: "field", id: "more" }, h("label", { for: "text" }, t("phone.undo.text")), text);
  more.hidden = form.reason !== "other";
  const choice = (/** @type {string} */ reason) => {
    const input = h("input", { type: "radio", name: "reason", value: reason, checked: form.reason === reason });
    input.addEventListener("change", () => {
      form.reason = reason;
      more.hidden = reason !== "other";
      void keep();
    });
    return h("label", { class: "pick" }, input, h("span", t(`phone.undo.reason.${reason}`)));
  };
  const save = async () => {
    const fault = !form.reason ? "phone.undo.choose" : form.reason === "other" && !form.text.trim() ? "phone.undo.say_why" : "";
    if (fault) {
      told.replaceChildren(say("bad", "alert", h("p", t(fault))));
      told.scrollIntoView({ block: "center" });
      return;
    }
    const words = form.reason === "other" ? form.text.trim() : t(`phone.undo.reason.${form.reason}`);
    const { stop, sequence } = act.local;
    const record = () =>
      outbox.record({
        event_id: form.event_id,
        type: "corrected",
        items: act.items,
        data: { corrects: event, reason: words, kind: form.reason },
        local: { corrects: event, what: act.type, stop, sequence },
        draft: key,
      });
    if (!(await isSafe(told, record))) return;
    leaveNote(t("phone.undo.saved", { what: word("event", act.type) }));
    history.replaceState(null, "", "#/");
    go("/");
  };
  root.append(
    what(known, act),
    h("fieldset", { class: "stack tight" }, h("legend", t("phone.undo.why")), REASONS.map(choice)),
    more,
    h("p", button("back", t("phone.undo.keep"), { look: "quiet", href: act.local.stop ? `#/stop/${act.local.stop}` : "#/" })),
    told,
    bar(button("undo", t("phone.undo.save"), { look: "main", id: "save", on: { click: save } })),
  );
  return root;
}

const toList = () => button("back", t("phone.core.to_list"), { look: "main", href: "#/" });

/** What was recorded, and what becomes of the money and of its receipt. @param {any} known @param {any} act */
function what(known, act) {
  const items = bag.itemsOf(known).filter((item) => act.items.includes(item.id));
  const taken = (act.local.collections ?? []).filter((/** @type {any} */ line) => line.method === "cash");
  const sum = taken.reduce((/** @type {number} */ all, /** @type {any} */ line) => all + line.amount_dong, 0);
  return h(
    "section",
    { class: "card" },
    h("p", { class: "row apart" }, h("span", { class: "strong" }, word("event", act.type)), h("span", { class: "number" }, clock(act.at))),
    act.local.reason && h("p", word("reason", act.local.reason)),
    h("ul", { class: "plain" }, items.map((item) => h("li", item.recipient, " · ", h("span", { class: "code" }, item.barcode)))),
    sum > 0 && say("warn", "money", h("p", t("phone.undo.money", { sum: money(sum) }))),
    act.local.receipt && h("p", t("phone.undo.receipt", { number: act.local.receipt })),
  );
}
