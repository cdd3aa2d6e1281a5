// @ts-check
// Dragging stops by pointer, mouse or finger: a ghost follows, a gap shows where they would go, the edges scroll.

const BEGINS_AT = 6; // pixels before a press becomes a drag
const FINGER_MS = 280; // a finger that moves sooner scrolls
const EDGE = 56;

export class Drag {
  /**
   * @param {import("./lanes.js").Lanes} lanes
   * @param {{over: (legs: Element[], lane: HTMLElement, place: number, ghost: HTMLElement) => void, drop: (legs: Element[], lane: HTMLElement, place: number) => void}} tell
   */
  constructor(lanes, tell) {
    this.lanes = lanes;
    this.tell = tell;
    this.now = null;
    this.mark = document.createElement("li");
    this.mark.className = "gap";
    this.mark.setAttribute("aria-hidden", "true");
    const strip = lanes.strip;
    strip.addEventListener("pointerdown", (event) => this.press(event));
    strip.addEventListener("pointermove", (event) => this.move(event));
    strip.addEventListener("pointerup", (event) => this.release(event));
    strip.addEventListener("pointercancel", () => this.end());
    strip.addEventListener("dragstart", (event) => event.preventDefault());
    strip.addEventListener("touchmove", (event) => { if (this.now?.ghost) event.preventDefault(); }, { passive: false });
    // The click that ends a drag must not tick a box.
    strip.addEventListener("click", (event) => { if (this.swallow) { this.swallow = false; event.preventDefault(); event.stopPropagation(); } }, true);
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.end(); });
  }

  press(event) {
    const leg = event.target.closest(".leg");
    this.swallow = false;
    if (!leg || event.button !== 0 || event.target.closest("details")) return;
    this.now = { leg, x: event.clientX, y: event.clientY, pointer: event.pointerId, ghost: null };
    if (event.pointerType === "touch") this.now.held = setTimeout(() => this.begin(), FINGER_MS);
  }

  move(event) {
    const now = this.now;
    if (!now || event.pointerId !== now.pointer) return;
    const far = Math.hypot(event.clientX - now.x, event.clientY - now.y) > BEGINS_AT;
    if (!now.ghost) {
      if (!far) return;
      if (event.pointerType === "touch") this.end();
      else this.begin();
      if (!this.now) return;
    }
    now.at = [event.clientX, event.clientY];
    this.follow();
  }

  begin() {
    const now = this.now;
    if (!now) return;
    const chosen = this.lanes.selected();
    now.legs = chosen.includes(now.leg) ? chosen : [now.leg];
    now.at = [now.x, now.y];
    this.lanes.strip.setPointerCapture(now.pointer);
    const ghost = document.createElement("div");
    ghost.className = "ghost";
    const name = now.leg.querySelector(".who").textContent;
    const what = document.createElement("strong");
    what.textContent = now.legs.length > 1 ? `${name} +${now.legs.length - 1}` : name;
    ghost.append(what, document.createElement("span"));
    document.body.append(ghost);
    now.ghost = ghost;
    for (const leg of now.legs) leg.classList.add("lifted");
    document.body.classList.add("dragging");
    this.scroll();
    this.follow();
  }

  follow() {
    const { ghost, at, legs } = this.now;
    ghost.style.setProperty("transform", `translate(${at[0] + 12}px, ${at[1] + 12}px)`);
    const lane = document.elementFromPoint(at[0], at[1])?.closest(".lane");
    if (!lane || !this.lanes.strip.contains(lane)) return;
    const rest = this.lanes.legsOf(lane).filter((leg) => !legs.includes(leg));
    let low = 0;
    let high = rest.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const box = rest[middle].getBoundingClientRect();
      if (at[1] > box.top + box.height / 2) low = middle + 1;
      else high = middle;
    }
    if (this.now.lane === lane && this.now.place === low) return;
    this.now.lane = lane;
    this.now.place = low;
    lane.querySelector(".legs").insertBefore(this.mark, rest[low] ?? null);
    this.tell.over(legs, lane, low + 1, ghost);
  }

  /** Near an edge the strip and the lane under the pointer scroll by themselves. */
  scroll() {
    const now = this.now;
    if (!now?.ghost) return;
    const strip = this.lanes.strip;
    const box = strip.getBoundingClientRect();
    const [x, y] = now.at;
    const speed = (place, from, to) => (place < from + EDGE ? place - from - EDGE : place > to - EDGE ? place - to + EDGE : 0) / 4;
    const sideways = x > box.left - EDGE && x < box.right + EDGE ? speed(x, box.left, box.right) : 0;
    if (sideways) strip.scrollBy(sideways, 0);
    const list = now.lane?.querySelector(".legs");
    if (list) {
      const inside = list.getBoundingClientRect();
      const down = speed(y, inside.top, inside.bottom);
      if (down && y > inside.top - EDGE && y < inside.bottom + EDGE) {
        list.scrollBy(0, down);
        this.follow();
      }
    }
    if (sideways) this.follow();
    requestAnimationFrame(() => this.scroll());
  }

  release(event) {
    const now = this.now;
    if (!now || event.pointerId !== now.pointer) return;
    const { ghost, lane, place, legs } = now;
    this.end();
    if (!ghost) return;
    this.swallow = true;
    if (lane) this.tell.drop(legs, lane, place + 1);
  }

  end() {
    const now = this.now;
    this.now = null;
    if (!now) return;
    clearTimeout(now.held);
    now.ghost?.remove();
    this.mark.remove();
    for (const leg of now.legs ?? []) leg.classList.remove("lifted");
    document.body.classList.remove("dragging");
  }
}
