// @ts-check
// What every screen is made of: elements without innerHTML, words from the catalogue, and the ways from screen to screen.

import { now } from "./net.js";

const LANGUAGE = "buuta-language";
const LANGUAGES = ["vi", "en"];
const ZONE = "Asia/Ho_Chi_Minh";

/** @type {Record<string, string>} */
let texts = {};
let spoken = LANGUAGES[0];

/** Fetch the words of the chosen language. They lie beside this file, in the same build. */
export async function loadTexts() {
  const kept = localStorage.getItem(LANGUAGE) ?? "";
  spoken = LANGUAGES.includes(kept) ? kept : LANGUAGES[0];
  texts = await (await fetch(new URL(`texts.${spoken}.json`, import.meta.url))).json();
  document.documentElement.lang = spoken;
}

export const language = () => spoken;

/** @param {string} chosen */
export async function speak(chosen) {
  localStorage.setItem(LANGUAGE, chosen);
  await loadTexts();
}

/**
 * The text of a key with its values filled in; the key itself where the catalogue is silent.
 * @param {string} key
 * @param {Record<string, unknown>} [values]
 */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {string} key */
export const has = (key) => key in texts;

/**
 * The word for a code of ours, the code itself where the catalogue is silent.
 * @param {string} group
 * @param {unknown} code
 */
export const word = (group, code) => texts[`${group}.${code}`] ?? String(code);

/**
 * An amount as it is written here: 165.000 and the sign of the dong.
 * @param {number} dong
 */
export const money = (dong) =>
  `${dong < 0 ? "\u2212" : ""}${String(Math.abs(dong)).replace(/\B(?=(\d{3})+$)/g, ".")}\u00a0\u0111`;

/** @param {string | number | Date} when */
const parts = (when) =>
  Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", {
      timeZone: ZONE,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    })
      .formatToParts(new Date(when))
      .map((part) => [part.type, part.value]),
  );

/**
 * A time of day in Viet Nam: 08:05.
 * @param {string | number | Date | null | undefined} when
 */
export function clock(when) {
  if (when === null || when === undefined) return "–";
  const { hour, minute } = parts(when);
  return `${hour}:${minute}`;
}

/**
 * A day: 22/11/2026. Takes a day (YYYY-MM-DD) or a moment.
 * @param {string | number | Date | null | undefined} when
 */
export function day(when) {
  if (when === null || when === undefined) return "–";
  const { year, month, day: date } = parts(
    typeof when === "string" && when.length === 10 ? `${when}T12:00:00+07:00` : when,
  );
  return `${date}/${month}/${year}`;
}

/** A day of another visit: Thursday 03/12. @param {string} date YYYY-MM-DD */
export const visitDay = (date) => `${t(`weekday.${(new Date(`${date}T12:00:00Z`).getUTCDay() + 6) % 7}`)} ${day(date).slice(0, 5)}`;

/** The day in Viet Nam as far as this phone knows it, YYYY-MM-DD. */
export function today() {
  const { year, month, day: date } = parts(now());
  return `${year}-${month}-${date}`;
}

/**
 * @typedef {{class?: string, hidden?: boolean, dataset?: Record<string, string>,
 *   on?: Record<string, (event: any) => unknown>, [attribute: string]: unknown}} Props
 */

/**
 * An element. Children are texts, nodes and lists of them; null, undefined and false are left out.
 * @param {string} tag
 * @param {...any} rest properties first, if any
 * @returns {any}
 */
export function h(tag, ...rest) {
  const element = document.createElement(tag);
  const [first] = rest;
  const isProps =
    first !== null && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first);
  /** @type {Props} */
  const { on, dataset, ...attributes } = isProps ? first : {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "value") element.setAttribute(name, String(value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, value] of Object.entries(dataset ?? {})) element.dataset[name] = value;
  for (const [event, listener] of Object.entries(on ?? {})) element.addEventListener(event, listener);
  element.append(...(isProps ? rest.slice(1) : rest).flat(Infinity).filter(isShown));
  return element;
}

/** @param {unknown} child */
const isShown = (child) => child !== null && child !== undefined && child !== false;

const SVG = "http://www.w3.org/2000/svg";

/**
 * A picture of the sprite in the shell.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A note with a picture: kind is good, bad, warn or empty.
 * @param {string} kind
 * @param {string} picture
 * @param {...any} children
 */
export const say = (kind, picture, ...children) =>
  h("div", { class: `say ${kind}`, role: kind === "bad" ? "alert" : null }, icon(picture), h("div", ...children));

/** It could not be written down, and the screen must not go on as if it were. */
export const notSaved = () => say("bad", "alert", h("p", { class: "strong" }, t("phone.core.not_saved")), h("p", t("phone.core.not_saved_more")));

/**
 * The bottom of a screen, within reach of the thumb: its one main action, then smaller ones.
 * @param {...any} children
 */
export const bar = (...children) => h("div", { class: "bar" }, ...children);

/**
 * @param {string} picture
 * @param {string} words
 * @param {Props & {look?: string}} [props] look is main, bad or quiet
 */
export function button(picture, words, props = {}) {
  const { look = "", ...rest } = props;
  const tag = rest.href ? "a" : "button";
  const type = tag === "button" ? { type: "button" } : {};
  return h(tag, { ...type, ...rest, class: `button ${look}` }, picture ? icon(picture) : null, h("span", words));
}

/**
 * The head of a screen: the way back, and the title that the reader hears first.
 * @param {string} words
 * @param {string | null} [up] where back leads
 */
export const heading = (words, up = "/") =>
  h(
    "div",
    { class: "title" },
    up === null ? null : h("a", { class: "back", href: `#${up}` }, icon("back"), t("phone.core.back")),
    h("h1", { tabindex: "-1" }, words),
  );

// ------------------------------------------------------------------------------------------ from screen to screen
const NOTE_MS = 60_000;
let note = { words: "", at: 0 };

/** What was saved a moment ago, for the list to say. @param {string} words */
export function leaveNote(words) {
  note = { words, at: performance.now() };
}

/** The note that was left, as long as it is news; a place for the reader to hear it in any case. */
export const freshNote = () =>
  h("div", { role: "status", id: "saved-note" }, note.words && performance.now() - note.at < NOTE_MS && say("good", "check", h("p", { class: "strong" }, note.words)));

const bus = new EventTarget();

/** @param {string} path */
export const go = (path) => {
  if (location.hash === `#${path}`) refresh();
  else location.hash = path;
};
export const back = () => history.back();
/** Draw the screen anew. */
export const refresh = () => bus.dispatchEvent(new Event("refresh"));

/**
 * @param {string} event
 * @param {() => unknown} listener
 */
export const onBus = (event, listener) => bus.addEventListener(event, listener);
/** @param {string} event */
export const tell = (event) => bus.dispatchEvent(new Event(event));
