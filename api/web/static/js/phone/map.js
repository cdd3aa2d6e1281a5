// @ts-check
// The commune sketch with the day's way on it, drawn from what lies in the phone: no tiles, no network. The list has the same stops.

import * as bag from "./bag.js";
import { bar, button, clock, h, heading, icon, say, t } from "./dom.js";
import * as outbox from "./outbox.js";

const SVG = "http://www.w3.org/2000/svg";
const KM_OF_A_DEGREE = 111.2;
// How many px a km may have: the whole province on a small phone, and a lane.
const LEAST_SCALE = 2;
const MOST_SCALE = 4_000;
const FIRST_MARGIN_PX = 36;
// What a finger and its number take up.
const MARK_WIDE_PX = 56;
const MARK_HIGH_PX = 34;
const MOVED_PX = 6;
const NAMES_FROM_SCALE = 6;
// Many doors have no better place than the middle of their commune: its name stands under their mark.
const NAME_BELOW_PX = 32;
const LOOK_MS = 2_000;
const STEP = 1.6;

/** The view that was left, while the app is open: a way back from a stop finds it again. @type {{x: number, y: number, scale: number, date: string} | null} */
let left = null;

/** @param {Record<string, string>} _params @param {AbortSignal} signal */
export async function screen(_params, signal) {
  const known = await bag.today();
  if (!known?.stops.length) return h("div", { class: "stack" }, heading(t("phone.map.title")), say("", "info", h("p", t("phone.door.none"))), bar(toList()));
  const sketch = await readSketch();
  const chosen = h("div", { class: "stack tight", id: "chosen", role: "status" });
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.map.title")),
    drawing(known, sketch, chosen, signal),
    chosen,
    sketch
      ? h("p", { class: "soft small" }, t("phone.map.about"), " ", h("span", { lang: "vi" }, sketch.attribution))
      : say("warn", "info", h("p", t("phone.map.no_sketch"))),
    bar(toList()),
  );
}

const toList = () => button("back", t("phone.map.list"), { look: "main", href: "#/" });

/** The sketch that the worker keeps; without it the stops are still drawn. @returns {Promise<any>} */
async function readSketch() {
  try {
    const answer = await fetch("/sketch.json");
    return answer.ok ? await answer.json() : null;
  } catch {
    // Neither kept nor to be had: the screen says so.
    return null;
  }
}

/** @param {string} tag @param {Record<string, unknown>} [attributes] @param {...any} children @returns {any} */
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * The map and its buttons. The plane is in km from the office, y to the south; `view` says which point is in the middle.
 * @param {any} known @param {any} sketch @param {HTMLElement} chosen @param {AbortSignal} signal
 */
function drawing(known, sketch, chosen, signal) {
  const { office } = known;
  const narrow = Math.cos((office.lat * Math.PI) / 180);
  const plane = (/** @type {number} */ lat, /** @type {number} */ lon) => ({
    x: (lon - office.lon) * KM_OF_A_DEGREE * narrow,
    y: (office.lat - lat) * KM_OF_A_DEGREE,
  });
  const reordered = known.acts.some((/** @type {any} */ act) => act.type === "reordered");
  const line = reordered ? [office, ...known.stops, office].map((place) => [place.lat, place.lon]) : known.line;
  const way = line.map(([/** @type {number} */ lat, /** @type {number} */ lon]) => plane(lat, lon));
  const next = known.stops.find((/** @type {any} */ stop) => stop.open);
  const stops = known.stops.map((/** @type {any} */ stop) => ({ stop, ...plane(stop.lat, stop.lon) }));
  const areas = (sketch?.features ?? []).map((/** @type {any} */ feature) => area(feature, plane));

  const svg = s("svg", { class: "sketch", role: "group", "aria-label": t("phone.map.title") });
  const box = h("div", { class: "sketch-box" }, svg);
  const size = { wide: 1, high: 1 };
  let frame = 0;
  let view = left?.date === known.date ? left : null;

  const whole = () => {
    const xs = way.map((/** @type {any} */ point) => point.x);
    const ys = way.map((/** @type {any} */ point) => point.y);
    const [west, east, north, south] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const fit = Math.min((size.wide - 2 * FIRST_MARGIN_PX) / Math.max(0.1, east - west), (size.high - 2 * FIRST_MARGIN_PX) / Math.max(0.1, south - north));
    show({ x: (west + east) / 2, y: (north + south) / 2, scale: fit });
  };
  /** @param {{x: number, y: number, scale: number}} wanted */
  const show = ({ x, y, scale }) => {
    view = left = { x, y, scale: Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale)), date: known.date };
    // Fingers move more often than a screen is drawn.
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  /** Nearer or further, with the point under the fingers staying there. @param {number} factor @param {{px: number, py: number}} [around] */
  const zoom = (factor, around = { px: size.wide / 2, py: size.high / 2 }) => {
    if (!view) return;
    const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, view.scale * factor));
    const { px, py } = around;
    const [dx, dy] = [px - size.wide / 2, py - size.high / 2];
    show({ x: view.x + dx / view.scale - dx / scale, y: view.y + dy / view.scale - dy / scale, scale });
  };
  const pan = (/** @type {number} */ dx, /** @type {number} */ dy) => view && show({ x: view.x - dx / view.scale, y: view.y - dy / view.scale, scale: view.scale });

  const draw = () => {
    if (!view) return;
    const { x, y, scale } = view;
    const px = (/** @type {{x: number, y: number}} */ point) => ({ px: (point.x - x) * scale + size.wide / 2, py: (point.y - y) * scale + size.high / 2 });
    const path = (/** @type {any[]} */ points, closed = false) =>
      points.map((point, at) => (({ px: left, py: top }) => `${at ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`)(px(point))).join("") + (closed ? "Z" : "");
    const isIn = (/** @type {{px: number, py: number}} */ at) => at.px > -60 && at.py > -60 && at.px < size.wide + 60 && at.py < size.high + 60;
    const focus = document.activeElement?.closest?.(".mark")?.getAttribute("data-stops");
    svg.setAttribute("viewBox", `0 0 ${size.wide} ${size.high}`);
    svg.replaceChildren(
      ...areas.map((/** @type {any} */ one) => s("path", { class: one.kind, d: path(one.points, one.kind === "commune") })),
      ...(scale >= NAMES_FROM_SCALE ? areas : []).flatMap((/** @type {any} */ one) => {
        const at = px(one.middle);
        return isIn(at) ? [s("text", { class: `name ${one.kind}-name`, x: at.px, y: at.py + NAME_BELOW_PX, lang: "vi" }, one.name)] : [];
      }),
      s("path", { class: "way", d: path(way) }),
      s("g", { class: "home", transform: `translate(${px({ x: 0, y: 0 }).px} ${px({ x: 0, y: 0 }).py})` }, s("title", {}, office.name), s("rect", { x: -9, y: -9, width: 18, height: 18, rx: 4 })),
      ...marks(stops.map((/** @type {any} */ one) => ({ ...one, ...px(one) })), next, open),
      ...self(px, plane, scale),
    );
    if (focus) /** @type {HTMLElement | null} */ (svg.querySelector(`[data-stops='${focus}']`))?.focus();
  };
  /** Several doors under one mark: which of them? @param {any[]} group */
  const open = (group) => {
    chosen.replaceChildren(
      h("h2", t("phone.map.here", { count: group.length })),
      h("ul", { class: "plain stack tight" }, group.map((/** @type {any} */ stop) => h("li", button(stop.open ? "pin" : "check", `${stop.sequence}. ${namesOf(stop)}`, { look: "wide", href: `#/stop/${stop.id}` })))),
    );
    chosen.scrollIntoView({ block: "nearest" });
  };
  const self = (/** @type {any} */ px, /** @type {any} */ where, /** @type {number} */ scale) => {
    const fix = outbox.lastFix();
    if (!fix) return [];
    const at = px(where(fix.lat, fix.lon));
    return [
      s(
        "g",
        { class: "self", id: "self" },
        s("title", {}, t("phone.map.self", { metres: fix.accuracy_m })),
        s("circle", { class: "halo", cx: at.px, cy: at.py, r: Math.max(12, (fix.accuracy_m / 1000) * scale) }),
        s("circle", { class: "dot", cx: at.px, cy: at.py, r: 8 }),
      ),
    ];
  };
  const toSelf = () => {
    const fix = outbox.lastFix();
    if (!fix) {
      chosen.replaceChildren(say("warn", "info", h("p", t("phone.map.no_fix"))));
      return;
    }
    show({ ...plane(fix.lat, fix.lon), scale: Math.max(view?.scale ?? 0, 60) });
  };

  const control = (/** @type {string} */ id, /** @type {string} */ words, /** @type {any} */ shown, /** @type {() => void} */ act) =>
    h("button", { type: "button", id, class: "button", "aria-label": words, on: { click: act } }, shown);
  box.append(
    h(
      "div",
      { class: "sketch-controls" },
      control("nearer", t("phone.map.nearer"), "+", () => zoom(STEP)),
      control("further", t("phone.map.further"), "\u2212", () => zoom(1 / STEP)),
      control("whole", t("phone.map.whole"), icon("route"), whole),
      control("me", t("phone.map.me"), icon("pin"), toSelf),
    ),
  );
  fingers(svg, { pan, zoom }, signal);
  const watch = new ResizeObserver(() => {
    size.wide = Math.max(1, svg.clientWidth);
    size.high = Math.max(1, svg.clientHeight);
    if (view) draw();
    else whole();
  });
  watch.observe(svg);
  let seen = "";
  const timer = setInterval(() => {
    const fix = outbox.lastFix()?.at ?? "";
    if (fix !== seen) draw();
    seen = fix;
  }, LOOK_MS);
  signal.addEventListener("abort", () => {
    watch.disconnect();
    cancelAnimationFrame(frame);
    clearInterval(timer);
  });
  return box;
}

/** @param {any} feature @param {(lat: number, lon: number) => {x: number, y: number}} plane */
function area(feature, plane) {
  const { kind, name, point } = feature.properties;
  const { coordinates } = feature.geometry;
  const ring = kind === "commune" ? coordinates[0] : coordinates;
  const points = ring.map(([/** @type {number} */ lon, /** @type {number} */ lat]) => plane(lat, lon));
  const middle = point ? plane(point[1], point[0]) : points[Math.floor(points.length / 2)];
  return { kind, points, middle, name: kind === "commune" ? name.replace(/^\S+ /, "") : name };
}

const namesOf = (/** @type {any} */ stop) => [...new Set(stop.items.map((/** @type {any} */ item) => item.recipient))].join(", ");

/**
 * The numbered stops; those that a finger could not tell apart share a mark.
 * @param {any[]} places @param {any} next @param {(stops: any[]) => void} open
 */
function marks(places, next, open) {
  /** @type {{px: number, py: number, stops: any[]}[]} */
  const groups = [];
  for (const { px, py, stop } of places) {
    const near = groups.find((group) => Math.abs(group.px - px) < MARK_WIDE_PX && Math.abs(group.py - py) < MARK_HIGH_PX);
    if (near) near.stops.push(stop);
    else groups.push({ px, py, stops: [stop] });
  }
  // The next one lies on top.
  groups.sort((one, other) => Number(one.stops.includes(next)) - Number(other.stops.includes(next)));
  return groups.map(({ px, py, stops }) => {
    const [first] = stops.filter((stop) => stop.open).concat(stops);
    const look = stops.includes(next) ? "next" : stops.some((stop) => stop.open) ? "todo" : "done";
    const label = stops.length > 1 ? `${first.sequence}+${stops.length - 1}` : String(first.sequence);
    const words = stops.map((stop) => `${t("phone.map.stop", { number: stop.sequence })}, ${namesOf(stop)}, ${t(stop.open ? "phone.map.open" : "phone.map.done")}, ~ ${clock(stop.arrives_at)}`).join("; ");
    const half = 10 + label.length * 5;
    const link = s(
      "a",
      { class: `mark ${look}`, href: `#/stop/${first.id}`, transform: `translate(${px.toFixed(1)} ${py.toFixed(1)})`, "aria-label": words, "data-stops": stops.map((stop) => stop.sequence).join(" ") },
      s("rect", { class: "touch", x: -24, y: -24, width: 48, height: 48 }),
      s("rect", { class: "plate", x: -half, y: -14, width: 2 * half, height: 28, rx: 14 }),
      s("text", { y: 5 }, look === "done" && stops.length === 1 ? `\u2713${label}` : label),
    );
    if (stops.length > 1) {
      link.addEventListener("click", (/** @type {Event} */ event) => {
        event.preventDefault();
        open(stops);
      });
    }
    return link;
  });
}

/**
 * Drag with one finger, pinch with two, or turn a wheel. A tap stays a tap.
 * @param {SVGElement} svg @param {{pan: (dx: number, dy: number) => unknown, zoom: (factor: number, around: {px: number, py: number}) => unknown}} act
 * @param {AbortSignal} signal
 */
function fingers(svg, { pan, zoom }, signal) {
  /** @type {Map<number, {px: number, py: number}>} */
  const down = new Map();
  let moved = 0;
  const at = (/** @type {MouseEvent} */ event) => {
    const { left: x, top: y } = svg.getBoundingClientRect();
    return { px: event.clientX - x, py: event.clientY - y };
  };
  svg.addEventListener(
    "pointerdown",
    (event) => {
      if (!down.size) moved = 0;
      down.set(event.pointerId, at(event));
    },
    { signal },
  );
  svg.addEventListener(
    "pointermove",
    (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const now = at(event);
      const [dx, dy] = [now.px - before.px, now.py - before.py];
      moved += Math.hypot(dx, dy);
      if (moved < MOVED_PX) return;
      // Only now: a captured tap would not reach the mark under it.
      svg.setPointerCapture(event.pointerId);
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      down.set(event.pointerId, now);
      if (!other) {
        pan(dx, dy);
        return;
      }
      const [was, is] = [Math.hypot(before.px - other.px, before.py - other.py), Math.hypot(now.px - other.px, now.py - other.py)];
      if (was > 1) zoom(is / was, { px: (now.px + other.px) / 2, py: (now.py + other.py) / 2 });
    },
    { signal },
  );
  const up = (/** @type {PointerEvent} */ event) => down.delete(event.pointerId);
  svg.addEventListener("pointerup", up, { signal });
  svg.addEventListener("pointercancel", up, { signal });
  svg.addEventListener(
    "click",
    (event) => {
      if (moved < MOVED_PX) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal, capture: true },
  );
  svg.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? STEP : 1 / STEP, at(event));
    },
    { signal, passive: false },
  );
}
