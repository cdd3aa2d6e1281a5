// @ts-check
// Where something is to be safe on the disk before the screen goes on, and has to say so where it is not.

import { notSaved } from "./dom.js";
import * as outbox from "./outbox.js";

/**
 * Do what saves something. Where it could not be saved, `place` says so and is brought into sight; whatever else goes wrong is thrown.
 * @param {HTMLElement} place
 * @param {() => Promise<unknown>} save
 * @returns {Promise<boolean>} it is safe
 */
export async function isSafe(place, save) {
  const safe = await isKept(place, save);
  if (!safe) place.scrollIntoView({ block: "center" });
  return safe;
}

/**
 * The same while somebody types: what he looks at stays where it is.
 * @param {HTMLElement} place
 * @param {() => Promise<unknown>} save
 * @returns {Promise<boolean>} it is safe
 */
export async function isKept(place, save) {
  try {
    await save();
  } catch (fault) {
    if (!(fault instanceof outbox.NotSaved)) throw fault;
    place.replaceChildren(notSaved());
    return false;
  }
  return true;
}
