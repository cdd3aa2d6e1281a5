// @ts-check
// Reading codes with the camera, where the phone can. Elsewhere, and where its bearer says no, typing does the same.

import { button, h, t } from "./dom.js";

const LOOK_MS = 150;
// The same code is told again after it was out of sight for so long: who holds a parcel still means one.
const AGAIN_MS = 2_000;

const canRead = () => "BarcodeDetector" in globalThis && Boolean(navigator.mediaDevices?.getUserMedia);

/**
 * A button that opens the camera and tells every code that comes into sight, until it is closed, `found` answers "stop", the
 * page goes out of sight, or the screen is left. Without a reader it is a hint to type. The field for typing is the caller's.
 * @param {{found: (text: string) => unknown, signal: AbortSignal, formats?: string[], label?: string}} what `formats` as
 *   BarcodeDetector names them; `label` are the words of the button
 * @returns {HTMLElement}
 */
export function scanner({ found, signal, formats = ["qr_code", "code_128"], label = t("phone.scan.open") }) {
  const view = h("video", { class: "scan-view", playsinline: true, muted: true, hidden: true, "aria-label": t("phone.scan.view") });
  view.muted = true;
  const hint = h("p", { class: "hint", role: "status" });
  const open = button("search", label, { look: "wide", on: { click: () => start() } });
  const shut = button("cross", t("phone.scan.close"), { look: "wide", hidden: true, on: { click: () => stop() } });
  const box = h("div", { class: "scan stack tight", dataset: { scan: "closed" } }, open, view, shut, hint);

  /** @type {MediaStream | null} */
  let stream = null;
  let turn = 0;

  /** @param {string} state closed, opening, open, denied or absent @param {string} [words] */
  const show = (state, words = "") => {
    box.dataset.scan = state;
    const isOpen = state === "opening" || state === "open";
    open.hidden = isOpen || state === "absent";
    view.hidden = shut.hidden = !isOpen;
    hint.textContent = words;
  };

  function stop() {
    turn += 1;
    stream?.getTracks().forEach((track) => track.stop());
    stream = view.srcObject = null;
    show("closed");
  }

  /** @param {string} why */
  function giveUp(why) {
    stop();
    show(why, t(`phone.scan.${why}`));
  }

  async function start() {
    const mine = (turn += 1);
    show("opening", t("phone.scan.opening"));
    const Detector = /** @type {any} */ (globalThis).BarcodeDetector;
    const known = await Detector.getSupportedFormats();
    const wanted = formats.filter((format) => known.includes(format));
    if (mine !== turn || signal.aborted) return;
    if (!wanted.length) return giveUp("absent");
    let opened;
    try {
      opened = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment", width: { ideal: 1280 } } });
    } catch (fault) {
      if (mine === turn) giveUp(/** @type {Error} */ (fault).name === "NotAllowedError" ? "denied" : "absent");
      return;
    }
    if (mine !== turn || signal.aborted) {
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = view.srcObject = opened;
    const detector = new Detector({ formats: wanted });
    try {
      await view.play();
    } catch {
      // Closed before its first picture came, or a camera that gives none.
      if (mine === turn) giveUp("absent");
      return;
    }
    if (mine !== turn) return;
    show("open", t("phone.scan.hold"));
    await look(mine, detector);
  }

  /** @param {number} mine @param {any} detector */
  async function look(mine, detector) {
    /** @type {Map<string, number>} */
    const seen = new Map();
    while (mine === turn) {
      let codes = [];
      try {
        if (view.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) codes = await detector.detect(view);
      } catch {
        // The phone has the name of a reader but not its service.
        if (mine === turn) giveUp("absent");
        return;
      }
      for (const { rawValue } of codes) {
        const last = seen.get(rawValue) ?? -Infinity;
        seen.set(rawValue, performance.now());
        if (mine !== turn || performance.now() - last < AGAIN_MS) continue;
        navigator.vibrate?.(60);
        if ((await found(rawValue)) === "stop") {
          if (mine === turn) stop();
          return;
        }
      }
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  if (!canRead()) show("absent", t("phone.scan.absent"));
  signal.addEventListener("abort", stop, { once: true });
  // Another app may want the camera, and nobody holds a code before a dark screen.
  document.addEventListener("visibilitychange", () => document.hidden && stream && stop(), { signal });
  return box;
}
