// @ts-check
// The board of a plan: drag, select, keys and buttons all become one change that the server works out; the page shows what it did.
// Without this script every button is a plain form.

import { Drag } from "./drag.js";
import { filled, Lanes } from "./lanes.js";
import { BoardMap } from "./map.js";
import { Server } from "./server.js";

const table = /** @type {HTMLFormElement} */ (document.querySelector("[data-board]"));
const said = JSON.parse(document.getElementById("board-words").textContent);
const lanes = new Lanes(table, said);
const server = new Server(table.dataset.board, Number(table.dataset.version));
const told = table.querySelector("[data-told]");
const count = table.querySelector("[data-selected]");
const buttons = (act) => table.querySelector(`button[value=${act}]`);

const map = new BoardMap(document.getElementById("map"), lanes, (leg) => {
  const chosen = leg.querySelector("input[name=items]").checked;
  if (chosen) leg.querySelector("input[name=items]").checked = false;
  else lanes.select([leg]);
  leg.scrollIntoView({ block: "nearest", inline: "nearest" });
  table.dispatchEvent(new CustomEvent("selected"));
});

function say(sentence, bad = false) {
  told.textContent = sentence;
  told.classList.toggle("bad", bad);
}

/** Shows what a change does; the focus stays where it was. False when the page has to be loaded anew for it. */
function show(body) {
  const held = document.activeElement;
  if (!lanes.show(body)) return false;
  if (held instanceof HTMLElement && document.activeElement !== held) held.focus({ preventScroll: false });
  // The columns first: the map may follow a frame later.
  requestAnimationFrame(() => setTimeout(() => {
    for (const route of body.routes) map.draw(lanes.lanes.get(route.postman));
    const out = lanes.lanes.get("");
    if (out) map.draw(out);
  }));
  return true;
}

/** Makes a change and shows what it did. What a trial has answered already is shown at once, and put back if the server refuses. */
async function change(edit, known = null) {
  const putBack = known ? lanes.remember(known) : () => {};
  if (known && show(known)) {
    say(`${said.kinds[edit.kind]}: ${lanes.sentence(known)} · ${said.words.saving}`);
    table.dataset.tried = String(Number(table.dataset.tried ?? 0) + 1);
  }
  let answer;
  try {
    answer = await server.change(edit);
  } catch {
    putBack();
    say(said.words.offline, true);
    return;
  }
  const { status, body } = answer;
  if (status !== 200) {
    putBack();
    if (status === 412) overtaken(body.changes ?? []);
    else say(body.errors?.[0]?.message ?? body.detail, true);
    return;
  }
  if (!show(body)) {
    location.reload();
    return;
  }
  for (const form of document.querySelectorAll("input[name=version]")) /** @type {HTMLInputElement} */ (form).value = String(body.version);
  buttons("undo").disabled = !body.can_undo;
  buttons("redo").disabled = !body.can_redo;
  say(`${said.kinds[edit.kind]}: ${lanes.sentence(body)}`);
  table.dataset.shown = String(body.version);
}

/** Somebody else was there before: what he did, and the way to see it. Nothing of this page is written. */
function overtaken(changes) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("overtaken"));
  dialog.querySelector("ul").replaceChildren(
    ...changes.map((one) => {
      const line = document.createElement("li");
      const at = new Date(one.at).toLocaleTimeString("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" });
      line.textContent = filled(said.words.stale_line, { by: one.by, at, what: said.kinds[one.kind], stops: one.stops, postmen: one.postmen.join(", ") });
      return line;
    }),
  );
  dialog.showModal();
}

function moved(legs, lane, place) {
  if (!lane.dataset.postman) return { kind: "unplan", items: lanes.names(legs.filter((leg) => lanes.laneOf(leg) !== lane)) };
  return { kind: "move", items: lanes.names(legs), postman: lane.dataset.postman, place };
}

let trying = null;
// The last trial that was answered: of which change of which version, and what it does.
let tried = { of: "", body: null };
const named = (edit) => `${server.version} ${JSON.stringify(edit)}`;
new Drag(lanes, {
  over: (legs, lane, place, ghost) => {
    const edit = moved(legs, lane, place);
    const line = ghost.querySelector("span");
    line.textContent = "…";
    if (edit.items.length === 0) return;
    clearTimeout(trying);
    trying = setTimeout(async () => {
      try {
        const answer = await server.tryOut(edit);
        if (answer?.status === 200) tried = { of: named(edit), body: answer.body };
        if (answer) line.textContent = answer.status === 200 ? lanes.sentence(answer.body) : (answer.body.detail ?? "");
      } catch {
        line.textContent = said.words.offline;
      }
    }, 60);
  },
  drop: (legs, lane, place) => {
    clearTimeout(trying);
    const edit = moved(legs, lane, place);
    if (edit.items.length === 0) return;
    change(edit, server.waiting === 0 && tried.of === named(edit) ? tried.body : null);
  },
});

/** One place up or down on its own route. */
function shift(leg, by) {
  const lane = lanes.laneOf(leg);
  if (!lane.dataset.postman) return;
  const all = lanes.legsOf(lane);
  const place = all.indexOf(leg) + 1 + by;
  if (place >= 1 && place <= all.length) change(moved([leg], lane, place));
}

/** What a button asks for, null when nothing fits. */
function asked(act, button) {
  const legs = lanes.selected();
  const value = (name) => /** @type {HTMLInputElement} */ (table.elements.namedItem(name)).value;
  if (act === "undo" || act === "redo") return { kind: act };
  if (act === "exchange") return { kind: "exchange", postmen: [value("one"), value("other")] };
  if (act === "split") {
    const parts = [...button.closest(".leg").querySelectorAll("input[name=parts]:checked")].map((box) => box.value);
    return parts.length ? { kind: "split", items: parts } : null;
  }
  if (legs.length === 0) return null;
  const items = lanes.names(legs);
  if (act === "unplan") return { kind: "unplan", items };
  if (act === "lock") return { kind: "lock", items, lock: value("lock") };
  const postman = value("postman") || null;
  const place = postman && Number(value("place")) > 0 ? Number(value("place")) : null;
  return { kind: "move", items, postman, place };
}

table.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (event.submitter);
  const act = button?.value;
  if (act === "up" || act === "down") {
    const [leg] = lanes.selected();
    if (leg) shift(leg, act === "up" ? -1 : 1);
    else say(said.words.choose, true);
    return;
  }
  const edit = asked(act, button);
  if (edit) change(edit);
  else say(said.words.choose, true);
});

table.addEventListener("change", (event) => {
  if (/** @type {HTMLInputElement} */ (event.target).name === "items") table.dispatchEvent(new CustomEvent("selected"));
});
table.addEventListener("selected", () => {
  const legs = lanes.selected();
  count.textContent = legs.length ? filled(said.words.selected, { count: legs.length }) : "";
  map.choose();
});

// Arrows walk over the stops, with Alt they carry the stop along; Ctrl+Z and Ctrl+Y undo and do again.
table.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    const key = event.key.toLowerCase();
    if (key === "z" || key === "y") {
      event.preventDefault();
      const act = key === "y" || event.shiftKey ? "redo" : "undo";
      if (!buttons(act).disabled) change({ kind: act });
    }
    return;
  }
  const box = /** @type {HTMLElement} */ (event.target);
  const leg = box.closest?.(".leg");
  if (!leg || !event.key.startsWith("Arrow") || box.closest("details")) return;
  event.preventDefault();
  const lane = lanes.laneOf(leg);
  const beside = { ArrowLeft: lane.previousElementSibling, ArrowRight: lane.nextElementSibling }[event.key];
  if (event.altKey) {
    const legs = lanes.selected().includes(leg) ? lanes.selected() : [leg];
    if (event.key === "ArrowUp") shift(leg, -1);
    else if (event.key === "ArrowDown") shift(leg, 1);
    else if (beside?.dataset.postman) change({ kind: "move", items: lanes.names(legs), postman: beside.dataset.postman });
    else if (beside) change({ kind: "unplan", items: lanes.names(legs) });
    return;
  }
  const all = lanes.legsOf(lane);
  const place = all.indexOf(leg);
  const next = { ArrowUp: all[place - 1], ArrowDown: all[place + 1] }[event.key];
  const there = beside ? lanes.legsOf(beside) : [];
  (next ?? there[Math.min(place, there.length - 1)])?.querySelector("input[name=items]").focus();
});

table.dataset.ready = "1";
// The columns can be worked with now; once they are drawn, the map comes, and the server reads the day for the first drag.
requestAnimationFrame(() => setTimeout(() => {
  map.begin();
  const first = table.querySelector(".lane:not(.out) .leg");
  if (first) server.tryOut(moved([first], lanes.laneOf(first), 1)).catch(() => say(said.words.offline, true));
}));
