// @ts-check
// When the bearer called a door from this phone: the evidence that a failed attempt for want of contact asks for.

import { now } from "./net.js";
import * as outbox from "./outbox.js";

/** @param {string} stopId */
const place = (stopId) => `calls|${stopId}`;

/** The moments of the calls to a stop, oldest first. @param {string} stopId @returns {Promise<string[]>} */
export const callsTo = async (stopId) => (await outbox.drafts.get(place(stopId)))?.at ?? [];

/** The call button was touched: whether anybody answered only the bearer knows. @param {string} stopId */
export async function noteCall(stopId) {
  const at = [...(await callsTo(stopId)), new Date(now()).toISOString()];
  await outbox.drafts.put(place(stopId), { at });
}
