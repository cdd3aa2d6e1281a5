// @ts-check
// A person's ID card, read at the door and forgotten at once: all that may stay is whether it fits and its last four digits.

import { fromText } from "./seal.js";
import { pbkdf2 } from "./vault.js";

const MOST_NUMBERS = 3;
const DIGITS = 12;

/**
 * What the square on a card says. Known cards say `number|old number|NAME|ddmmyyyy|…`; newer ones may say it in another
 * order, so numbers are found by their form.
 * @param {string} text
 * @returns {{numbers: string[], name: string}} 12-digit numbers, likeliest first; the name, "" where none is recognised
 */
export function readCard(text) {
  const fields = text.normalize("NFC").split(/[|\n]/).map((field) => field.trim());
  const numbers = [...new Set(fields.flatMap((field) => field.match(/(?<!\d)\d{12}(?!\d)/g) ?? []))].slice(0, MOST_NUMBERS);
  const isName = (/** @type {string | undefined} */ field) => field && /^[\p{L}\p{M}'.-]+( +[\p{L}\p{M}'.-]+)+$/u.test(field);
  const name = [fields[2], ...fields].find(isName) ?? "";
  return { numbers, name };
}

/** A typed ID number as digits; null when it is none of twelve. @param {string} typed */
export function typedNumber(typed) {
  const number = typed.replace(/[\s.\-]/g, "");
  return new RegExp(`^\\d{${DIGITS}}$`).test(number) ? number : null;
}

/**
 * Is this the text that a digest of the bag was made of? Slow on purpose: about a second.
 * @param {{salt: string, rounds: number, digest: string}} digest
 * @param {string} text
 */
export async function fits({ salt, rounds, digest }, text) {
  const made = await pbkdf2(text, fromText(salt), rounds);
  const known = fromText(digest);
  return made.length === known.length && made.every((byte, place) => byte === known[place]);
}

/**
 * Which of the items with a digest of this kind one of the texts belongs to, and which not.
 * @param {{id: string, digests: Record<string, {salt: string, rounds: number, digest: string}>}[]} items
 * @param {"id" | "code"} kind
 * @param {string[]} texts
 * @returns {Promise<{right: string[], wrong: string[], text: string}>} ids of items; the text that was right, else the first
 */
export async function compare(items, kind, texts) {
  const asked = items.filter((item) => item.digests[kind]);
  const found = await Promise.all(
    asked.map(async (item) => {
      for (const text of texts) if (await fits(item.digests[kind], text)) return { id: item.id, text };
      return { id: item.id, text: null };
    }),
  );
  return {
    right: found.filter(({ text }) => text !== null).map(({ id }) => id),
    wrong: found.filter(({ text }) => text === null).map(({ id }) => id),
    text: found.find(({ text }) => text !== null)?.text ?? texts[0],
  };
}
