// @ts-check
// A photo by the phone's own camera, made small enough for a weak signal. Writing it anew leaves out what the camera wrote into it:
// place, time and owner.

import { button, h, icon, say, t } from "./dom.js";
import { blobOf } from "./sign.js";

const LONGEST_PX = 1600;
const QUALITY = 0.7;
let count = 0;

/**
 * A big button that opens the camera, then the photo with a way to take it away. `changed` keeps it and settles when it has.
 * @param {{label: string, changed: (photo: Blob | null) => unknown, value?: Blob | null}} what
 * @returns {HTMLElement}
 */
export function camera({ label, changed, value = null }) {
  const id = `photo-${(count += 1)}`;
  const input = h("input", { id, type: "file", accept: "image/*", capture: "environment", on: { change: take } });
  const words = h("span");
  const shown = h("div", { class: "stack tight" });
  const told = h("div");
  const box = h("div", { class: "photo stack tight" }, shown, h("label", { class: "button wide", for: id }, input, icon("upload"), words), told);
  let turn = 0;

  /** @param {Blob | null} photo */
  const show = (photo) => {
    box.dataset.photo = photo ? "taken" : "none";
    words.textContent = photo ? t("phone.photo.again") : label;
    input.setAttribute("aria-label", photo ? `${t("phone.photo.again")}: ${label}` : label);
    shown.replaceChildren();
    if (!photo) return;
    const address = URL.createObjectURL(photo);
    const forget = () => URL.revokeObjectURL(address);
    shown.append(
      h("img", { class: "photo-view", src: address, alt: label, on: { load: forget, error: forget } }),
      button("cross", t("phone.photo.drop"), { look: "wide", on: { click: () => drop() } }),
    );
  };
  const drop = () => {
    turn += 1;
    value = null;
    show(null);
    changed(null);
    input.focus();
  };

  async function take() {
    const [file] = input.files;
    // The same file again is a change too.
    input.value = "";
    if (!file) return;
    const mine = (turn += 1);
    box.dataset.photo = "working";
    told.replaceChildren();
    let photo = null;
    try {
      photo = await smaller(file);
    } catch {
      // Not a picture, or one that this phone cannot read: what was there stays, and its bearer hears of it.
      told.replaceChildren(say("bad", "alert", h("p", t("phone.photo.unreadable"))));
    }
    if (mine !== turn) return;
    if (photo) {
      value = photo;
      // Shown as taken when it is kept: who sees his photo may put the phone away.
      await changed(photo);
      if (mine !== turn) return;
    }
    show(value);
  }

  show(value);
  return box;
}

/**
 * The photo as a JPEG of at most 1600 px, upright, without anything but the picture in it.
 * @param {Blob} file
 * @returns {Promise<Blob>}
 * @throws {Error} it is no picture
 */
export async function smaller(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_PX / Math.max(picture.width, picture.height));
  const sheet = document.createElement("canvas");
  sheet.width = Math.max(1, Math.round(picture.width * scale));
  sheet.height = Math.max(1, Math.round(picture.height * scale));
  const brush = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  // Where a picture lets the ground through, a JPEG would turn black.
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, sheet.width, sheet.height);
  brush.drawImage(picture, 0, 0, sheet.width, sheet.height);
  picture.close();
  return blobOf(sheet, "image/jpeg", QUALITY);
}
