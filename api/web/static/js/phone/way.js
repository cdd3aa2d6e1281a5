// @ts-check
// What a way costs, estimated on the phone: straight lines at the speed that the plan's own legs show. Both orders are measured
// in the same manner, so that their difference means something.

const EARTH_M = 6_371_008;
// A leg of a few steps says nothing about speed.
const SHORTEST_M = 200;
const USUAL_MS = 5;

/** @typedef {{lat: number, lon: number}} Place */

/** Metres in a straight line. @param {Place} one @param {Place} other */
export function metresBetween(one, other) {
  const radians = (/** @type {number} */ degrees) => (degrees * Math.PI) / 180;
  const half = (/** @type {number} */ angle) => Math.sin(radians(angle) / 2) ** 2;
  const chord = half(other.lat - one.lat) + Math.cos(radians(one.lat)) * Math.cos(radians(other.lat)) * half(other.lon - one.lon);
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** Metres a second of the plan, the middle one of its legs: waiting and ferries do not make it slower. @param {any[]} stops */
export function speedOf(stops) {
  const speeds = stops
    .map((stop) => stop.leg)
    .filter((leg) => leg.metres >= SHORTEST_M && leg.seconds > 0)
    .map((leg) => leg.metres / leg.seconds)
    .sort((one, other) => one - other);
  return speeds.length ? speeds[Math.floor(speeds.length / 2)] : USUAL_MS;
}

/**
 * A way through stops and home, from a place and a moment on. Who comes before a promised time waits for it.
 * @param {any[]} stops
 * @param {{from: Place, home: Place, at: number, speed: number}} how `at` is in ms, `speed` in metres a second
 * @returns {{metres: number, seconds: number, arrives: Record<string, string>, missed: any[]}} `missed` are stops whose promised
 *   time will be over
 */
export function walk(stops, { from, home, at, speed }) {
  let metres = 0;
  let clock = at;
  let place = from;
  /** @type {Record<string, string>} */
  const arrives = {};
  const missed = [];
  for (const stop of stops) {
    const leg = metresBetween(place, stop);
    metres += leg;
    clock += (leg / speed) * 1000;
    arrives[stop.id] = new Date(clock).toISOString();
    const windows = promisesOf(stop);
    if (windows.some((window) => clock > Date.parse(window.to))) missed.push(stop);
    const opens = Math.max(...windows.map((window) => Date.parse(window.from)), clock);
    clock = opens + Math.max(0, Date.parse(stop.leaves_at) - Date.parse(stop.planned_at ?? stop.arrives_at));
    place = stop;
  }
  const back = metresBetween(place, home);
  return { metres: Math.round(metres + back), seconds: Math.round((clock - at) / 1000 + back / speed), arrives, missed };
}

/** The promised times of what is still open at a stop. @param {any} stop @returns {{from: string, to: string}[]} */
export const promisesOf = (stop) => stop.items.filter((/** @type {any} */ item) => item.open && item.window).map((/** @type {any} */ item) => item.window);
