// @ts-check
// The motorbike stands still: the dispatcher hears of it, and the bag can go on with a colleague.

import * as bag from "./bag.js";
import { standing } from "./list.js";
import { bar, button, clock, h, heading, refresh, say, t } from "./dom.js";
import * as outbox from "./outbox.js";
import { isKept, isSafe } from "./saving.js";

const KEY = "trouble";
const LONGEST = 500;

export async function screen() {
  const known = await bag.today();
  const told = h("div");
  const form = (await outbox.drafts.get(KEY)) ?? { event_id: outbox.newId(), text: "", can_go_on: null };
  const keep = () => isKept(told, () => outbox.drafts.put(KEY, form));
  await keep();
  const text = h("textarea", { id: "text", maxlength: LONGEST, "aria-describedby": "text-hint" });
  text.value = form.text;
  text.addEventListener("input", () => {
    form.text = text.value;
    void keep();
  });
  const choice = (/** @type {boolean} */ value) => {
    const input = h("input", { type: "radio", name: "can_go_on", value: value ? "yes" : "no", checked: form.can_go_on === value });
    input.addEventListener("change", () => {
      form.can_go_on = value;
      void keep();
    });
    return h("label", { class: "pick" }, input, h("span", t(value ? "phone.trouble.yes" : "phone.trouble.no")));
  };
  const save = async () => {
    const fault = !form.text.trim() ? "phone.trouble.say_what" : form.can_go_on === null ? "phone.trouble.choose" : "";
    if (fault) {
      told.replaceChildren(say("bad", "alert", h("p", t(fault))));
      told.scrollIntoView({ block: "center" });
      return;
    }
    const data = { text: form.text.trim(), can_go_on: form.can_go_on };
    const act = { event_id: form.event_id, type: "broke_down", items: [], data, local: { ...data }, draft: KEY };
    if (await isSafe(told, () => outbox.record(act))) refresh();
  };
  const fix = outbox.lastFix();
  const reports = known?.acts.filter((/** @type {any} */ act) => act.type === "broke_down") ?? [];
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.trouble.title")),
    h("div", { role: "status", id: "reported" }, reports.slice(-1).map(reported)),
    reports.length > 0 && h("h2", t("phone.trouble.more")),
    h("div", { class: "field" }, h("label", { for: "text" }, t("phone.trouble.what")), h("span", { class: "hint", id: "text-hint" }, t("phone.trouble.hint")), text),
    h("fieldset", { class: "stack tight" }, h("legend", t("phone.trouble.can_go_on")), [true, false].map(choice)),
    h("p", { class: "soft" }, fix ? t("phone.trouble.fix", { metres: fix.accuracy_m }) : t("phone.trouble.no_fix")),
    told,
    bar(button("alert", t("phone.trouble.save"), { look: "main", id: "save", on: { click: save } })),
  );
}

/** What was reported last, and what comes of it. @param {any} act */
function reported(act) {
  return h(
    "div",
    { class: "card" },
    h("p", { class: "row apart" }, h("span", { class: "strong" }, t("phone.trouble.reported", { time: clock(act.at) })), standing({ standing: bag.standingOfAct(act) })),
    h("p", act.local.text),
    h("p", t(act.local.can_go_on ? "phone.trouble.then_on" : "phone.trouble.then_not")),
    h("p", button("person", t("phone.trouble.give"), { look: "wide", href: "#/give" })),
  );
}
