// @ts-check
// Sealing to the server's public key: after an act is saved, this phone cannot read it any more, and a forgotten PIN loses
// nothing. ECDH on P-256, HKDF, AES-GCM; the label binds an envelope to its place.

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const INFO = "buuta seal v1";
const utf8 = new TextEncoder();

/** @param {Uint8Array} bytes */
export function toText(bytes) {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** @param {string} text base64url @returns {Uint8Array<ArrayBuffer>} */
export function fromText(text) {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} hex @returns {Uint8Array<ArrayBuffer>} */
export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** @param {Uint8Array<ArrayBuffer>} bytes */
export const digest = async (bytes) => toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

/** @param {...Uint8Array} pieces @returns {Uint8Array<ArrayBuffer>} */
function joined(...pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * @typedef {{kid: string, public: string}} SealingKey
 * @typedef {{pair?: CryptoKeyPair, iv?: Uint8Array<ArrayBuffer>}} Given what is random otherwise; for the known answer
 */

/**
 * @param {Uint8Array<ArrayBuffer>} plain
 * @param {string} label
 * @param {SealingKey} key
 * @param {Given} given
 */
async function seal(plain, label, key, given) {
  const publicBytes = fromText(key.public);
  const theirs = await crypto.subtle.importKey("raw", publicBytes, CURVE, false, []);
  const pair =
    given.pair ?? /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(CURVE, false, ["deriveBits"]));
  const epk = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, pair.privateKey, 256);
  const derived = await crypto.subtle.deriveKey(
    {
      name: "HKDF",
      hash: "SHA-256",
      salt: new Uint8Array(32),
      info: joined(utf8.encode(INFO), epk, publicBytes),
    },
    await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]),
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt"],
  );
  const iv = given.iv ?? crypto.getRandomValues(new Uint8Array(12));
  const hidden = { name: "AES-GCM", iv, additionalData: utf8.encode(label) };
  return { epk, iv, ct: new Uint8Array(await crypto.subtle.encrypt(hidden, derived, plain)) };
}

/**
 * An event in its envelope.
 * @param {string} plain its JSON
 * @param {{device_id: string, device_seq: number, event_id: string}} place
 * @param {SealingKey} key
 * @param {Given} [given]
 */
export async function sealEvent(plain, place, key, given = {}) {
  const label = `event:${place.device_id}:${place.device_seq}:${place.event_id}`;
  const { epk, iv, ct } = await seal(utf8.encode(plain), label, key, given);
  return { v: 1, kid: key.kid, epk: toText(epk), iv: toText(iv), ct: toText(ct) };
}

/**
 * A photo or a signature in its binary envelope.
 * @param {Uint8Array<ArrayBuffer>} plain
 * @param {string} sha256 its digest
 * @param {SealingKey} key
 * @param {Given} [given]
 */
export async function sealMedium(plain, sha256, key, given = {}) {
  const { epk, iv, ct } = await seal(plain, `media:${sha256}`, key, given);
  return joined(Uint8Array.of(1), fromHex(key.kid), epk, iv, ct);
}
