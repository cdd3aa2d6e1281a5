// @ts-check
// A signature on the glass. It is kept as strokes, each a list of points [x, y] between 0 and 1 of a sheet that is twice as wide as
// high; whoever cannot sign is helped outside of it.

import { button, h, t } from "./dom.js";

const WIDE = 600;
const HIGH = 300;
const LEAST_POINTS = 5;
const INK = "#13202a";

/** @typedef {[number, number][][]} Strokes */

/** A slip of the finger is no signature. @param {Strokes} strokes */
export const isSigned = (strokes) => strokes.reduce((all, stroke) => all + stroke.length, 0) >= LEAST_POINTS;

/**
 * The sheet to sign on.
 * @param {{strokes?: Strokes, changed: (strokes: Strokes) => unknown, label: string}} what `changed` hears of every stroke
 *   that ends, and of a sheet that was emptied
 * @returns {HTMLElement}
 */
export function pad({ strokes = [], changed, label }) {
  /** @type {Strokes} */
  let drawn = strokes;
  /** @type {Map<number, [number, number][]>} the strokes under way, by pointer */
  const under = new Map();
  const sheet = h("canvas", { class: "pad", role: "img", "aria-label": label });
  const words = h("p", { class: "hint", role: "status" });
  const anew = button("undo", t("phone.sign.again"), {
    on: {
      click: () => {
        drawn = [];
        show();
        changed([]);
      },
    },
  });

  const show = () => {
    const ratio = Math.min(3, devicePixelRatio || 1);
    sheet.width = Math.max(1, Math.round(sheet.clientWidth * ratio));
    sheet.height = Math.round(sheet.width / 2);
    draw(sheet, [...drawn, ...under.values()]);
    anew.hidden = !drawn.length;
    const state = isSigned(drawn) ? "signed" : drawn.length ? "short" : "empty";
    box.dataset.sign = state;
    words.textContent = t(`phone.sign.${state}`);
  };
  /** @param {PointerEvent} event @returns {[number, number]} */
  const at = (event) => {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    return [place((event.clientX - left) / width), place((event.clientY - top) / height)];
  };
  /** @param {PointerEvent} event */
  const end = (event) => {
    const stroke = under.get(event.pointerId);
    if (!stroke) return;
    under.delete(event.pointerId);
    drawn = [...drawn, stroke];
    show();
    changed(drawn);
  };
  sheet.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    under.set(event.pointerId, [at(event)]);
    // A stroke that runs over the edge is still one.
    sheet.setPointerCapture(event.pointerId);
  });
  sheet.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const stroke = under.get(event.pointerId);
    if (!stroke) return;
    const between = event.getCoalescedEvents?.() ?? [];
    stroke.push(...(between.length ? between : [event]).map(at));
    draw(sheet, [...drawn, ...under.values()]);
  });
  sheet.addEventListener("pointerup", end);
  sheet.addEventListener("pointercancel", end);
  const box = h("div", { class: "sign stack tight" }, sheet, h("div", { class: "row apart" }, words, anew));
  // The sheet has no size before it stands on the screen, and another one when the phone is turned.
  new ResizeObserver(show).observe(sheet);
  return box;
}

/** @param {number} share */
const place = (share) => Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 10_000;

/** @param {HTMLCanvasElement} sheet @param {Strokes} strokes */
function draw(sheet, strokes) {
  const { width, height } = sheet;
  const brush = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, width, height);
  brush.strokeStyle = brush.fillStyle = INK;
  brush.lineWidth = Math.max(2, width / 160);
  brush.lineCap = brush.lineJoin = "round";
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => /** @type {[number, number]} */ ([x * width, y * height]));
    const [first, ...rest] = points;
    brush.beginPath();
    if (!rest.length) {
      brush.arc(...first, brush.lineWidth / 2, 0, 2 * Math.PI);
      brush.fill();
      continue;
    }
    brush.moveTo(...first);
    for (let number = 0; number < rest.length - 1; number += 1) {
      const [x, y] = rest[number];
      const [nextX, nextY] = rest[number + 1];
      brush.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    brush.lineTo(...points[points.length - 1]);
    brush.stroke();
  }
}

/** The signature as a picture of 600 by 300. @param {Strokes} strokes @returns {Promise<Blob>} */
export function png(strokes) {
  const sheet = document.createElement("canvas");
  sheet.width = WIDE;
  sheet.height = HIGH;
  draw(sheet, strokes);
  return blobOf(sheet, "image/png");
}

/**
 * @param {HTMLCanvasElement} sheet
 * @param {string} type
 * @param {number} [quality] from 0 to 1
 * @returns {Promise<Blob>}
 */
export const blobOf = (sheet, type, quality) =>
  new Promise((done, failed) => {
    sheet.toBlob((blob) => (blob ? done(blob) : failed(new Error(`no ${type} of this sheet`))), type, quality);
  });
