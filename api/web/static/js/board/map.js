// @ts-check
// The routes of the board on the sketch, on one canvas. What is selected in a column stands out here, and the other way round.

import { colour, drawSketch } from "../sketch.js";

const PLAIN = { radius: 6, color: "#ffffff", weight: 1.5, fillOpacity: 1 };
const CHOSEN = { radius: 10, color: "#13202a", weight: 3, fillOpacity: 1 };

export class BoardMap {
  /** @param {HTMLElement} element @param {import("./lanes.js").Lanes} lanes @param {(leg: Element) => void} press */
  constructor(element, lanes, press) {
    this.element = element;
    this.lanes = lanes;
    this.press = press;
    this.dots = new Map();
    this.ways = new Map();
    this.chosen = new Set();
    this.office = element.dataset.office?.split(" ").map(Number);
  }

  async begin() {
    await this.fetchLeaflet();
    this.map = await drawSketch(this.element);
    if (!this.map) return;
    const leaflet = window.L;
    this.all = leaflet.featureGroup().addTo(this.map);
    for (const lane of this.lanes.lanes.values()) this.draw(lane);
    if (this.office) {
      const label = document.createElement("span");
      label.textContent = this.element.dataset.officeName;
      leaflet.circleMarker(this.office, { ...CHOSEN, fillColor: "#ffd449" }).bindTooltip(label).addTo(this.map);
    }
    const bounds = this.all.getBounds();
    if (bounds.isValid()) this.map.fitBounds(bounds, { padding: [20, 20] });
    this.choose();
    this.element.dataset.ready = "1";
  }

  /** The library for maps, which the columns do not wait for. Without it the map says in words that it could not come. */
  async fetchLeaflet() {
    const address = this.element.dataset.leaflet;
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = `${address}.css`;
    const script = document.createElement("script");
    script.src = `${address}.js`;
    const come = [sheet, script].map((one) => new Promise((done) => {
      one.addEventListener("load", done);
      one.addEventListener("error", done);
    }));
    document.head.append(sheet, script);
    await Promise.all(come);
  }

  /** Draws a column anew: its way, and the colour of its stops. */
  draw(lane) {
    if (!this.all) return;
    const leaflet = window.L;
    const hue = lane.dataset.hue === undefined ? "#5a6670" : colour(`hue-${lane.dataset.hue}`);
    const points = [];
    for (const leg of this.lanes.legsOf(lane)) {
      if (!leg.dataset.at) continue;
      const at = leg.dataset.at.split(" ").map(Number);
      points.push(at);
      let dot = this.dots.get(leg);
      if (!dot) {
        dot = leaflet.circleMarker(at, { ...PLAIN, fillColor: hue });
        dot.bindTooltip(() => this.label(leg), { direction: "top" });
        dot.on("click", () => this.press(leg));
        dot.addTo(this.all);
        this.dots.set(leg, dot);
      } else dot.setStyle({ fillColor: hue });
    }
    this.ways.get(lane)?.remove();
    this.ways.delete(lane);
    if (!lane.dataset.postman || points.length === 0) return;
    const way = this.office ? [this.office, ...points, this.office] : points;
    const line = leaflet.polyline(way, { color: hue, weight: 2, dashArray: "6 6", opacity: 0.7, interactive: false });
    line.addTo(this.all);
    line.bringToBack();
    this.ways.set(lane, line);
  }

  label(leg) {
    const label = document.createElement("span");
    const turn = leg.querySelector(".turn").textContent;
    label.textContent = [turn, leg.querySelector("time").textContent, leg.querySelector(".who").textContent].filter(Boolean).join(" · ");
    return label;
  }

  choose() {
    const now = new Set(this.lanes.selected());
    for (const leg of this.chosen) if (!now.has(leg)) this.mark(leg, PLAIN);
    for (const leg of now) if (!this.chosen.has(leg)) this.mark(leg, CHOSEN);
    this.chosen = now;
  }

  mark(leg, style) {
    const dot = this.dots.get(leg);
    if (!dot) return;
    dot.setStyle(style);
    dot.setRadius(style.radius);
    if (style === CHOSEN) dot.bringToFront();
  }
}
