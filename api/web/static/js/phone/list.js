// @ts-check
// The day's list, the screen that everything returns to.

import { bar, button, h, heading, t } from "./dom.js";

export const live = true;

export async function screen() {
  return h(
    "div",
    { class: "stack" },
    heading(t("event.planned"), null),
    bar(button("check", t("phone.core.outbox.title"), { look: "main", href: "#/outbox" })),
  );
}
