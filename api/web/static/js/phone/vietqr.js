// @ts-check
// What a bank's app reads to fill in a transfer: the payload of VietQR (NAPAS 247, after EMVCo's merchant-presented codes), made
// without a network. Each field is a tag of two digits, a length of two digits in characters, and its value.

const NAPAS = "A000000727";
const TO_AN_ACCOUNT = "QRIBFTTA";
const DONG = "704";
const MOST_DONG = 10 ** 13 - 1;
export const LONGEST_PURPOSE = 25;

/** @param {string} tag @param {string} value */
const field = (tag, value) => `${tag}${String(value.length).padStart(2, "0")}${value}`;

/**
 * CRC-16/CCITT-FALSE (polynomial 0x1021, beginning with 0xFFFF) as four upper-case hexadecimal digits.
 * @param {string} text ASCII
 */
export function checksum(text) {
  let crc = 0xffff;
  for (const letter of text) {
    crc ^= letter.charCodeAt(0) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc.toString(16).toUpperCase().padStart(4, "0");
}

/**
 * The payload of a transfer. Without amount and purpose it is the account alone, and the payer types the rest.
 * @param {{bin: string, account: string, amount_dong?: number | null, purpose?: string | null}} transfer
 * @returns {string} ASCII
 * @throws {RangeError} a part that no bank would read; the message names it
 */
export function payload({ bin, account, amount_dong = null, purpose = null }) {
  if (!/^\d{6}$/.test(bin)) throw new RangeError(`bin: ${bin}`);
  if (!/^[0-9A-Za-z]{1,19}$/.test(account)) throw new RangeError(`account: ${account}`);
  if (amount_dong !== null && !(Number.isSafeInteger(amount_dong) && amount_dong > 0 && amount_dong <= MOST_DONG)) {
    throw new RangeError(`amount_dong: ${amount_dong}`);
  }
  if (purpose !== null && !(/^[ -~]+$/.test(purpose) && purpose.length <= LONGEST_PURPOSE)) throw new RangeError(`purpose: ${purpose}`);
  const beneficiary = field("00", bin) + field("01", account);
  const fields = [
    field("00", "01"),
    field("01", amount_dong === null ? "11" : "12"),
    field("38", field("00", NAPAS) + field("01", beneficiary) + field("02", TO_AN_ACCOUNT)),
    field("53", DONG),
    amount_dong === null ? "" : field("54", String(amount_dong)),
    field("58", "VN"),
    purpose === null ? "" : field("62", field("08", purpose)),
    "6304",
  ].join("");
  return fields + checksum(fields);
}

/**
 * The text by which the office finds a transfer on the bank's statement: the temporary receipt it was asked for on, which of that
 * receipt's transfers it is, and the item. Banks drop marks and signs, so it has capital letters, digits and spaces only.
 * @param {{receipt: string, turn: number, barcode: string}} of `receipt` as BT-7-000012; `turn` from 0
 */
export function purposeOf({ receipt, turn, barcode }) {
  const [letters, number, count] = receipt.split("-");
  const head = `${letters}${number} ${Number(count)}${String.fromCharCode(65 + turn)} `;
  // Of a barcode that is too long the end is what differs.
  return head + barcode.toUpperCase().replace(/[^0-9A-Z]/g, "").slice(head.length - LONGEST_PURPOSE);
}
