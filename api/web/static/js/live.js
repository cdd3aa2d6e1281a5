// @ts-check
// Keeps the live board as it is: asks every two seconds while the page can be seen, exchanges only the cards that have changed,
// and says when the server was last heard. Nothing is held open; after a failure it waits longer each time.

import { colour, drawSketch } from "./sketch.js";

const board = document.getElementById("live-board");
const heard = document.getElementById("live-heard");
const EVERY_MS = 2000;
const LONGEST_MS = 60_000;
let failures = 0;
let heardAt = Date.now();
let timer = 0;
let asking = false;
let showRounds = () => {};
/** What each card said when it came. */
const texts = new WeakMap();

const clock = (ms) => new Date(ms).toLocaleTimeString("vi-VN", { timeZone: "Asia/Ho_Chi_Minh", hour12: false });

function tell(waitMs) {
  const lost = failures > 0;
  heard.classList.toggle("lost", lost);
  const words = lost ? heard.dataset.lost.replace("{seconds}", String(Math.round(waitMs / 1000))) : heard.dataset.heard;
  heard.textContent = words.replace("{at}", clock(heardAt));
}

/** The cards of the new board take the places of the old ones; an open list stays open, and who is on a button stays on it. */
function exchange(fresh) {
  const old = new Map([...board.children].filter((one) => one.id).map((one) => [one.id, one]));
  const focused = document.activeElement?.id;
  const open = new Set([...board.querySelectorAll("details[open]")].map((one) => one.id));
  const next = [...fresh.children].map((card) => {
    const known = old.get(card.id);
    if (known && texts.get(known) === card.outerHTML) return known;
    texts.set(card, card.outerHTML);
    for (const details of card.querySelectorAll("details")) details.open = open.has(details.id);
    return card;
  });
  const moved = next.length !== board.children.length || next.some((card, place) => board.children[place] !== card);
  if (moved) board.replaceChildren(...next);
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  showRounds();
}

async function ask() {
  const answer = await fetch(board.dataset.from, {
    headers: { "If-None-Match": `"${board.dataset.tag}"` },
    signal: AbortSignal.timeout(15_000),
  });
  if (answer.status === 304) return;
  // Signed out, or a portal in between: its page is not our board.
  const tag = /^"([0-9a-f]+)"$/.exec(answer.headers.get("ETag") ?? "");
  if (answer.status !== 200 || !tag) throw new Error(`the server answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  exchange(document.importNode(page.body, true));
  board.dataset.tag = tag[1];
}

async function look() {
  clearTimeout(timer);
  if (asking || document.visibilityState !== "visible") return;
  asking = true;
  let wait = EVERY_MS;
  try {
    await ask();
    failures = 0;
    heardAt = Date.now();
  } catch {
    failures += 1;
    wait = Math.min(LONGEST_MS, EVERY_MS * 2 ** failures);
  }
  asking = false;
  tell(wait);
  timer = setTimeout(look, wait);
}

async function beginMap() {
  const element = document.getElementById("map");
  const map = await drawSketch(element);
  if (!map) return;
  const leaflet = window.L;
  let layer = leaflet.featureGroup().addTo(map);
  let shown = "";
  showRounds = () => {
    const text = document.getElementById("live-map-data")?.textContent ?? "{}";
    if (text === shown) return;
    const first = shown === "";
    shown = text;
    layer.remove();
    layer = leaflet.featureGroup();
    const data = JSON.parse(text);
    for (const round of data.rounds) drawRound(layer, round);
    if (data.office) mark(layer, data.office, "#ffd449", "#13202a", 10, data.office_name);
    layer.addTo(map);
    const all = layer.getBounds();
    if (first && all.isValid()) map.fitBounds(all, { padding: [24, 24] });
    element.dataset.ready = "1";
  };
  showRounds();
}

function mark(layer, at, fill, edge, radius, words) {
  const label = document.createElement("span");
  label.textContent = words;
  return window.L.circleMarker(at, { radius, color: edge, weight: 3, fillColor: fill, fillOpacity: 1 }).bindTooltip(label, { direction: "top" }).addTo(layer);
}

function drawRound(layer, round) {
  const hue = colour(`hue-${round.hue}`);
  const way = round.at ? [round.at, ...round.rest] : round.rest;
  if (way.length > 1) window.L.polyline(way, { color: hue, weight: 2, dashArray: "7 7", opacity: 0.8, interactive: false }).addTo(layer);
  for (const door of round.rest) window.L.circleMarker(door, { radius: 4, color: hue, weight: 1, fillColor: "#ffffff", fillOpacity: 1, interactive: false }).addTo(layer);
  if (round.at) {
    const dot = mark(layer, round.at, hue, "#ffffff", 11, round.label);
    dot.on("click", () => document.getElementById(round.card)?.scrollIntoView({ block: "center" }));
  }
}

if (board && heard) {
  for (const card of board.children) texts.set(card, card.outerHTML);
  timer = setTimeout(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
  addEventListener("online", look);
  beginMap();
}
