// @ts-check
// An amount of money in Vietnamese words, as it stands beside the figures on a receipt: whoever changes one must change the other.
// The words stand in the catalogue; they are Vietnamese whatever the app speaks, because the citizen reads them.

import { t } from "./dom.js";

const SCALES = /** @type {[number, string][]} */ ([
  [1_000_000_000, "billion"],
  [1_000_000, "million"],
  [1_000, "thousand"],
]);

/**
 * @param {number} dong whole dong, not negative
 * @returns {string} beginning with a capital letter
 */
export function spelled(dong) {
  if (!Number.isSafeInteger(dong) || dong < 0) throw new RangeError(`no amount of dong: ${dong}`);
  const text = [...number(dong), t("phone.money.spelled.dong")].join(" ");
  return text[0].toLocaleUpperCase("vi") + text.slice(1);
}

/** @param {number} whole @param {boolean} [isFirst] nothing stands before it, so nothing is said of its zeros @returns {string[]} */
function number(whole, isFirst = true) {
  const digits = t("phone.money.spelled.digits").split(" ");
  if (!whole) return isFirst ? [digits[0]] : [];
  for (const [size, name] of SCALES) {
    if (whole < size) continue;
    return [...number(Math.floor(whole / size), isFirst), t(`phone.money.spelled.${name}`), ...number(whole % size, false)];
  }
  return hundreds(whole, digits, isFirst);
}

/** @param {number} group below 1000 @param {string[]} digits @param {boolean} isFirst */
function hundreds(group, digits, isFirst) {
  const [hundred, ten, one] = [Math.floor(group / 100), Math.floor(group / 10) % 10, group % 10];
  const words = [];
  if (hundred || !isFirst) words.push(digits[hundred], t("phone.money.spelled.hundred"));
  if (ten === 1) words.push(t("phone.money.spelled.ten"));
  else if (ten) words.push(digits[ten], t("phone.money.spelled.tens"));
  else if (one && words.length) words.push(t("phone.money.spelled.odd"));
  if (one === 5 && ten) words.push(t("phone.money.spelled.five"));
  else if (one === 1 && ten > 1) words.push(t("phone.money.spelled.one"));
  else if (one) words.push(digits[one]);
  return words;
}
