// @ts-check
// A code for another camera to read: a bank's app, a colleague's phone. The squares are reckoned by uqr, which lies beside this
// file when its files were fetched; they are drawn here as one path, so that no picture has to be made or sent.

import { h, say, t } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
// Readers need so many light squares around the code.
const QUIET = 4;

/** @type {Promise<any> | null} */
let encoder = null;

/** The encoder, fetched when the first code is drawn; a build without it is asked again next time. */
function uqr() {
  const name = "./uqr.js";
  encoder ??= import(name).catch((fault) => {
    encoder = null;
    throw fault;
  });
  return encoder;
}

/**
 * The squares of a code: `rows[y][x]` is true where it is dark, without the light rim. `correction` is raised above M where the
 * size of the code allows it.
 * @param {string | Uint8Array} content text is written as UTF-8
 * @returns {Promise<{rows: boolean[][], version: number, mask: number}>}
 */
export async function matrix(content) {
  const { encode } = await uqr();
  const given = typeof content === "string" ? content : Array.from(content);
  const { data, version, maskPattern } = encode(given, { ecc: "M", boostEcc: true, border: 0 });
  return { rows: data, version, mask: maskPattern };
}

/**
 * The code as a picture, dark on light whatever the colours around it. Where this build came without the encoder, a note that says
 * so: whatever the code holds must also be readable beside it.
 * @param {string | Uint8Array} content
 * @param {string} label what it is, for those who do not see it
 * @returns {Promise<Element>}
 */
export async function qr(content, label) {
  let code;
  try {
    code = await matrix(content);
  } catch (fault) {
    reportError(fault);
    return say("warn", "alert", h("p", t("phone.money.no_qr")));
  }
  const side = code.rows.length + 2 * QUIET;
  const svg = draw("svg", { class: "qr", viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" });
  svg.append(draw("rect", { width: side, height: side, fill: "#fff" }), draw("path", { d: outline(code.rows), fill: "#000" }));
  return svg;
}

/** Every run of dark squares as one bar. @param {boolean[][]} rows */
function outline(rows) {
  const bars = [];
  for (const [y, row] of rows.entries()) {
    for (let x = 0; x < row.length; x += 1) {
      const from = x;
      while (row[x]) x += 1;
      if (x > from) bars.push(`M${from + QUIET} ${y + QUIET}h${x - from}v1h${from - x}z`);
    }
  }
  return bars.join("");
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
