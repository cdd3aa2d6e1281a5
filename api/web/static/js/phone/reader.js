// @ts-check
// Where barcodes come in: seen by the camera, typed, or from a reader on a cord, which types too. Whoever asks says what a code
// means; the answer is shown and read out, and a refusal is also heard and felt, because nobody looks at the screen while
// he counts.

import { button, h, say, t } from "./dom.js";
import { scanner } from "./scan.js";

export const FEWEST = 4;
const REFUSED = [400, 120, 400];

/**
 * The items that a typed or scanned code can mean: the one whose barcode it is, else those whose barcode ends so. The two letters
 * of the country at the end may be left out.
 * @template {{barcode: string}} T
 * @param {T[]} items
 * @param {string} typed
 * @returns {T[]}
 */
export function match(items, typed) {
  const code = tidy(typed);
  const whole = items.filter((item) => item.barcode === code);
  if (whole.length || code.length < FEWEST) return whole;
  return items.filter(({ barcode }) => barcode.endsWith(code) || barcode.replace(/[A-Z]{1,2}$/, "").endsWith(code));
}

/** A code as it stands on the label, without what a hand puts between. @param {string} typed */
export const tidy = (typed) => typed.toUpperCase().replace(/[\s.\u2013-]+/g, "");

/**
 * A field and, where the phone can, the camera. `told` answers with a kind of `say` (bad is a loud refusal) and its words.
 * @param {{label: string, told: (code: string) => Promise<{kind: "good" | "warn" | "bad", words: string[]}>, signal: AbortSignal,
 *   digits: boolean}} what `digits`: a pad of digits suffices to type these codes
 * @returns {HTMLElement}
 */
export function reader({ label, told, signal, digits }) {
  const field = h("input", {
    id: "code",
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
    enterkeyhint: "done",
    inputmode: digits ? "numeric" : "text",
    maxlength: 40,
  });
  const answer = h("div", { id: "answer" });
  /** @type {Promise<unknown>} */
  let turn = Promise.resolve();
  const take = (/** @type {string} */ code) => {
    // One after the other: a code is answered before the next is looked at.
    turn = turn.then(async () => show(answer, await told(code)));
    return turn;
  };
  const typed = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const code = field.value;
    if (!code.trim()) return;
    field.value = "";
    await take(code);
    field.focus();
  };
  return h(
    "section",
    { class: "card reader", "aria-label": label },
    answer,
    scanner({ formats: ["code_128", "code_39", "qr_code"], found: take, signal }),
    h(
      "form",
      { class: "reader-typed", on: { submit: typed } },
      h("div", { class: "field" }, h("label", { for: "code" }, t("phone.reader.type")), field),
      h("button", { class: "button", id: "check-code" }, t("phone.reader.check")),
    ),
  );
}

const LOOKS = { good: "check", warn: "info", bad: "alert" };

/** @param {HTMLElement} place @param {{kind: "good" | "warn" | "bad", words: string[]}} told */
function show(place, { kind, words }) {
  const [first, ...rest] = words;
  const note = say(kind, LOOKS[kind], h("p", { class: "strong" }, first), rest.map((line) => h("p", line)));
  // A new element each time, so that the same refusal twice is read out twice.
  if (kind === "bad") note.classList.add("loud");
  else note.setAttribute("role", "status");
  place.replaceChildren(note);
  place.scrollIntoView({ block: "nearest" });
  if (kind === "bad") ring();
}

/** @type {AudioContext | null} */
let speaker = null;

/** Two low tones and a long shake, as far as this phone lets a page do either. */
export function ring() {
  navigator.vibrate?.(REFUSED);
  if (!("AudioContext" in globalThis)) return;
  speaker ??= new AudioContext();
  const tone = speaker.createOscillator();
  const loudness = speaker.createGain();
  tone.type = "square";
  tone.frequency.value = 220;
  loudness.gain.value = 0;
  for (const start of [0, 0.35]) {
    loudness.gain.setValueAtTime(0.4, speaker.currentTime + start);
    loudness.gain.setValueAtTime(0, speaker.currentTime + start + 0.25);
  }
  tone.connect(loudness).connect(speaker.destination);
  tone.start();
  tone.stop(speaker.currentTime + 0.7);
}

/**
 * What a code means among items, in words for whoever typed it; `item` where it means one of them.
 * @template {{barcode: string}} T
 * @param {T[]} items
 * @param {string} code
 * @returns {{item?: T, told?: {kind: "warn" | "bad", words: string[]}}}
 */
export function which(items, code) {
  const found = match(items, code);
  if (found.length === 1) return { item: found[0] };
  if (found.length > 1) return { told: { kind: "warn", words: [t("phone.reader.several", { count: found.length }), found.map((item) => item.barcode).join(", ")] } };
  if (tidy(code).length < FEWEST) return { told: { kind: "warn", words: [t("phone.reader.short", { count: FEWEST })] } };
  return {};
}

/** True when the digits at the end of every barcode are enough to type it. @param {{barcode: string}[]} items */
export const inDigits = (items) => items.every((item) => /\d{6}[A-Z]{0,2}$/.test(item.barcode));

/**
 * An item in a list of codes.
 * @param {{barcode: string, recipient: string}} item
 * @param {...any} more
 */
export const line = (item, ...more) =>
  h("span", { class: "coded" }, h("span", { class: "strong" }, item.recipient), h("span", { class: "code" }, item.barcode), ...more);
