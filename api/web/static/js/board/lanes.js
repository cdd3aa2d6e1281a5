// @ts-check
// The columns of the board: stops as list items that move between them, and what is selected. One listener for all.

const clock = (moment) => moment.slice(11, 16);
const dong = (amount) => amount.toLocaleString("de-DE").replace("-", "−") + " đ";
const PARTS = [".turn", "time", ".held"];
// A text that stays is not written again: a thousand stops need not be laid out for two that moved.
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

export class Lanes {
  /** @param {HTMLFormElement} table @param {any} said texts and words of the page */
  constructor(table, said) {
    this.table = table;
    this.said = said;
    this.strip = table.querySelector(".lanes");
    this.lanes = new Map([...table.querySelectorAll(".lane")].map((lane) => [lane.dataset.postman, lane]));
    this.legs = new Map();
    for (const leg of table.querySelectorAll(".leg")) this.know(leg);
  }

  know(leg) {
    for (const item of leg.dataset.items.split(" ")) this.legs.set(item, leg);
  }

  laneOf(leg) {
    return leg.closest(".lane");
  }

  legsOf(lane) {
    return [...lane.querySelector(".legs").children].filter((one) => one.classList.contains("leg"));
  }

  selected() {
    return [...this.table.querySelectorAll("input[name=items]:checked")].map((box) => box.closest(".leg"));
  }

  select(legs, { alone = false } = {}) {
    if (alone) for (const leg of this.selected()) if (!legs.includes(leg)) leg.querySelector("input[name=items]").checked = false;
    for (const leg of legs) leg.querySelector("input[name=items]").checked = true;
    this.table.dispatchEvent(new CustomEvent("selected"));
  }

  /** The items by which a change names stops. */
  names(legs) {
    return legs.map((leg) => leg.dataset.items.split(" ")[0]);
  }

  /** The stop of these items: the one that is there, or one made of it when items were parted or came together. */
  legFor(stop) {
    const items = stop.items.join(" ");
    const there = this.legs.get(stop.items[0]);
    if (!there) return null;
    if (there.dataset.items === items) return there;
    return null;
  }

  /** Shows what a change did. False when the page has to be loaded anew for it. */
  show(done) {
    const moved = [];
    for (const route of done.routes) {
      const lane = this.lanes.get(route.postman);
      const legs = route.stops.map((stop) => this.legFor(stop));
      if (!lane || legs.includes(null)) return false;
      moved.push([lane, route, legs]);
    }
    const out = this.lanes.get("");
    const loose = done.left_out.flat().map((item) => this.legs.get(item));
    if (loose.length && !out) return false;
    if (loose.some((leg) => !leg)) return false;
    for (const [lane, route, legs] of moved) this.fill(lane, route, legs);
    for (const leg of new Set(loose)) {
      if (this.laneOf(leg) === out) continue;
      out.querySelector(".legs").append(leg);
      write(leg.querySelector(".turn"), "");
      write(leg.querySelector("time"), "");
      this.lock(leg, "free");
    }
    if (out) write(out.querySelector(".sums"), String(this.legsOf(out).length));
    return true;
  }

  /** What the columns of a change look like before it is shown; gives the way to put them back. */
  remember(done) {
    const kept = ["", ...done.routes.map((route) => route.postman)].flatMap((postman) => {
      const lane = this.lanes.get(postman);
      if (!lane) return [];
      const legs = this.legsOf(lane).map((leg) => [leg, leg.className, leg.dataset.lock, ...PARTS.map((part) => leg.querySelector(part).textContent)]);
      return [{ lane, legs, sums: lane.querySelector(".sums").textContent, rules: [...lane.querySelector(".rules").children] }];
    });
    return () => {
      for (const { lane, legs, sums, rules } of kept) {
        for (const [leg, name, lock, ...texts] of legs) {
          leg.className = name;
          leg.dataset.lock = lock;
          PARTS.forEach((part, number) => write(leg.querySelector(part), texts[number]));
        }
        lane.querySelector(".legs").replaceChildren(...legs.map(([leg]) => leg));
        write(lane.querySelector(".sums"), sums);
        lane.querySelector(".rules").replaceChildren(...rules);
      }
    };
  }

  fill(lane, route, legs) {
    const list = lane.querySelector(".legs");
    // Only what stands elsewhere is moved: a list of forty is not built anew for one.
    let next = list.firstElementChild;
    legs.forEach((leg, place) => {
      if (next === leg) next = next.nextElementSibling;
      else list.insertBefore(leg, next);
      const stop = route.stops[place];
      write(leg.querySelector(".turn"), String(place + 1));
      write(leg.querySelector("time"), clock(stop.arrives_at));
      this.lock(leg, stop.lock);
      leg.classList.remove("broken");
    });
    const { words, rules } = this.said;
    const sums = filled(words.lane_line, {
      stops: legs.length,
      km: Math.round(route.distance_m / 1000),
      hours: this.hours(route),
      cash: dong(route.cash_dong),
      ends: clock(route.ends_at),
    });
    write(lane.querySelector(".sums"), legs.length ? sums : words.no_route);
    const faults = route.violations.map((rule) => {
      const line = document.createElement("li");
      const late = rule.seconds ? ` (${filled(words.late_by, { minutes: Math.ceil(rule.seconds / 60) })})` : "";
      line.textContent = `${rule.stop ? `${rule.stop}. ` : ""}${rules[rule.code] ?? rule.code}${late}`;
      if (rule.stop) legs[rule.stop - 1].classList.add("broken");
      return line;
    });
    lane.querySelector(".rules").replaceChildren(...faults);
  }

  hours(route) {
    const minutes = Math.round((Date.parse(route.ends_at) - Date.parse(route.starts_at)) / 60000);
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
  }

  lock(leg, lock) {
    leg.dataset.lock = lock;
    write(leg.querySelector(".held"), lock === "free" ? "" : this.said.locks[lock]);
  }

  /** What a change costs and breaks, in a line. */
  sentence(done) {
    const { words } = this.said;
    const minutes = Math.round(Math.abs(done.cost_change) / 60);
    const amount = filled(words.minutes, { minutes });
    const cost = minutes === 0 ? words.cost_same : filled(done.cost_change > 0 ? words.cost_more : words.cost_less, { amount });
    const broken = done.routes.reduce((sum, route) => sum + route.violations.length, 0);
    return broken ? `${cost} · ${filled(words.broken_count, { count: broken })}` : cost;
  }
}

export { filled };
