// @ts-check
// The bearer's own order of the stops that are left, with what it costs before he takes it. Every step is a button; dragging is
// there for those who like it.

import * as bag from "./bag.js";
import { bar, button, clock, go, h, heading, icon, leaveNote, say, t } from "./dom.js";
import { now } from "./net.js";
import * as outbox from "./outbox.js";
import { isKept, isSafe } from "./saving.js";
import { promisesOf, speedOf, walk } from "./way.js";

const KEY = "order";
// The office's books take no more than a day.
const MOST_SECONDS = 86_400;

/** @param {Record<string, string>} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const known = await bag.today();
  const open = known?.stops.filter((/** @type {any} */ stop) => stop.open) ?? [];
  const root = h("div", { class: "stack" }, heading(t("phone.order.title")));
  if (!known || open.length < 2) {
    root.append(say("", "info", h("p", t("phone.order.nothing"))), bar(button("back", t("phone.core.to_list"), { look: "main", href: "#/" })));
    return root;
  }
  const stops = new Map(open.map((/** @type {any} */ stop) => [stop.id, stop]));
  const told = h("div");
  const form = (await outbox.drafts.get(KEY)) ?? { event_id: outbox.newId(), order: [] };
  // What was done since the draft was begun is out of it; what is new stands where the day has it.
  const kept = form.order.filter((/** @type {string} */ id) => stops.has(id));
  form.order = kept.length === stops.size ? kept : [...stops.keys()];
  const keep = () => isKept(told, () => outbox.drafts.put(KEY, form));
  await keep();
  const planned = [...open].sort((one, other) => one.sequence - other.sequence);
  const how = { from: startOf(known), home: known.office, at: now(), speed: speedOf(known.stops) };
  const plan = walk(planned, how);
  const list = h("ol", { class: "plain stack tight", id: "order" });
  const cost = h("div", { id: "cost", role: "status" });
  const wanted = () => form.order.map((/** @type {string} */ id) => stops.get(id));

  const fill = () => {
    const way = walk(wanted(), how);
    list.replaceChildren(...wanted().map((/** @type {any} */ stop, /** @type {number} */ at) => row(stop, at, way)));
    cost.replaceChildren(...costs(way, plan));
  };
  /** @param {number} from @param {number} to @param {string} [focus] the button that was touched */
  const move = (from, to, focus) => {
    const [id] = form.order.splice(from, 1);
    form.order.splice(to, 0, id);
    void keep();
    fill();
    const row = list.children[to];
    const touched = focus && row.querySelector(`[data-move='${focus}']:not([disabled])`);
    /** @type {HTMLElement} */ (touched || row.querySelector("[data-move]:not([disabled])"))?.focus();
  };
  /** @param {any} stop @param {number} at @param {any} way */
  const row = (stop, at, way) => {
    const names = [...new Set(stop.items.map((/** @type {any} */ item) => item.recipient))].join(", ");
    const step = (/** @type {string} */ kind, /** @type {number} */ to, /** @type {string} */ picture) =>
      h(
        "button",
        {
          type: "button",
          class: `button step ${kind}`,
          dataset: { move: kind },
          disabled: to < 0 || to >= form.order.length || to === at,
          "aria-label": t(`phone.order.${kind}`, { number: stop.sequence }),
          on: { click: () => move(at, to, kind) },
        },
        icon(picture),
      );
    const late = way.missed.includes(stop);
    return h(
      "li",
      { class: "card", dataset: { stop: stop.id } },
      h("p", { class: "grip row" }, h("b", stop.sequence), h("span", `~ ${clock(way.arrives[stop.id])}`)),
      h("p", h("span", { class: "strong" }, names), h("br"), stop.address),
      late && h("p", { class: "fault" }, icon("alert"), promiseOf(stop)),
      h("div", { class: "row" }, step("up", at - 1, "back"), step("down", at + 1, "back"), step("first", 0, "upload")),
    );
  };
  drag(list, move, signal);
  fill();

  const save = async () => {
    const way = walk(wanted(), how);
    const extra = Math.max(-MOST_SECONDS, Math.min(MOST_SECONDS, way.seconds - plan.seconds));
    const record = () =>
      outbox.record({
        event_id: form.event_id,
        type: "reordered",
        items: [],
        data: { stops: form.order, extra_seconds: extra },
        local: { stops: form.order, arrives: way.arrives, extra_seconds: extra },
        draft: KEY,
      });
    if (!(await isSafe(told, record))) return;
    leaveNote(t("phone.order.saved"));
    history.replaceState(null, "", "#/");
    go("/");
  };
  const byPlan = () => {
    form.order = planned.map((stop) => stop.id);
    void keep();
    fill();
  };
  root.append(
    h("p", t("phone.order.how")),
    h("p", button("undo", t("phone.order.by_plan"), { look: "wide", id: "by-plan", on: { click: byPlan } })),
    list,
    told,
    bar(cost, button("check", t("phone.order.save"), { look: "main", id: "save", on: { click: save } })),
  );
  return root;
}

/** Where the way begins: where the phone is, the door where something was done last, or the office. @param {any} known */
function startOf(known) {
  const last = known.acts.findLast((/** @type {any} */ act) => bag.stopOf(known, act.local?.stop));
  return outbox.lastFix() ?? bag.stopOf(known, last?.local.stop) ?? known.office;
}

/** @param {any} stop */
const promiseOf = (stop) =>
  t("phone.order.promise", { number: stop.sequence, time: clock(promisesOf(stop).map((window) => window.to).sort()[0]) });

/** What the order costs against the plan, and which promises it breaks. @param {any} way @param {any} plan */
function costs(way, plan) {
  const minutes = Math.round((way.seconds - plan.seconds) / 60);
  const km = (Math.abs(way.metres - plan.metres) / 1000).toFixed(1).replace(".", ",");
  const isLonger = minutes > 0 || (minutes === 0 && way.metres > plan.metres);
  const isSame = minutes === 0 && km === "0,0";
  const key = isSame ? "same" : isLonger ? "longer" : "shorter";
  return [
    say(
      way.missed.length ? "bad" : isLonger ? "warn" : "good",
      "clock",
      h("p", { class: "strong", id: "extra" }, t(`phone.order.${key}`, { minutes: Math.abs(minutes), km })),
      way.missed.length > 0 && h("p", t("phone.order.missed", { stops: way.missed.map((/** @type {any} */ stop) => `${stop.sequence} (${promiseOf(stop)})`).join(", ") })),
    ),
  ];
}

/**
 * Drag a row by its head to another place.
 * @param {HTMLElement} list @param {(from: number, to: number) => void} move @param {AbortSignal} signal
 */
function drag(list, move, signal) {
  /** @type {HTMLElement | null} */
  let held = null;
  const at = (/** @type {number} */ y) => {
    const rows = [...list.children];
    const found = rows.findIndex((row) => y < row.getBoundingClientRect().bottom);
    return found < 0 ? rows.length - 1 : found;
  };
  list.addEventListener(
    "pointerdown",
    (event) => {
      const grip = /** @type {HTMLElement} */ (event.target).closest?.(".grip");
      if (!grip) return;
      held = /** @type {HTMLElement} */ (grip.closest("li"));
      held.classList.add("held");
      list.setPointerCapture(event.pointerId);
    },
    { signal },
  );
  const end = (/** @type {PointerEvent} */ event) => {
    if (!held) return;
    const [from, to] = [[...list.children].indexOf(held), at(event.clientY)];
    held.classList.remove("held");
    held = null;
    if (event.type === "pointerup" && from !== to) move(from, to);
  };
  list.addEventListener("pointerup", end, { signal });
  list.addEventListener("pointercancel", end, { signal });
}
