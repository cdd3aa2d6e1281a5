// @ts-check
// The routes of a plan on the sketch. Lines are dashed, because they are estimated and follow no road. The list beside the
// map says the same and works without it.

import { colour, drawSketch } from "./sketch.js";

const element = document.getElementById("map");
const source = () => document.getElementById(element?.dataset.source ?? "");
let drawn = [];

function drawRoute(map, route, start) {
  const hue = colour(`hue-${route.hue}`);
  const leaflet = window.L;
  const way = route.stops.map((stop) => stop.at);
  const layer = leaflet.featureGroup();
  leaflet.polyline(start ? [start, ...way, start] : way, { color: hue, weight: 2.5, dashArray: "7 7", opacity: 0.85, interactive: false }).addTo(layer);
  for (const stop of route.stops) {
    const dot = leaflet.circleMarker(stop.at, { radius: 7, color: "#ffffff", weight: 2, fillColor: hue, fillOpacity: 1 });
    const label = document.createElement("span");
    label.textContent = `${route.name} · ${stop.label}`;
    dot.bindTooltip(label, { direction: "top" });
    dot.on("click", () => showRow(stop.anchor));
    dot.addTo(layer);
  }
  return layer.addTo(map);
}

function showRow(anchor) {
  const row = document.getElementById(anchor);
  if (!row) return;
  row.closest("details").open = true;
  row.scrollIntoView({ block: "center" });
  for (const marked of document.querySelectorAll("tr.mark")) marked.classList.remove("mark");
  row.classList.add("mark");
}

/** Draws the routes that the page holds, in place of those that were drawn before. */
function drawRoutes(map) {
  const data = JSON.parse(source().textContent);
  for (const layer of drawn) layer.remove();
  const first = drawn.length === 0;
  const layers = data.routes.map((route) => drawRoute(map, route, data.office));
  drawn = layers;
  const all = window.L.featureGroup(layers).getBounds();
  if (first && all.isValid()) map.fitBounds(all, { padding: [24, 24] });
  // Opening a route in the list shows it alone.
  const showOpen = () => {
    const open = [...document.querySelectorAll("details[data-route]")].filter((one) => one.open).map((one) => Number(one.dataset.route));
    layers.forEach((layer, number) => {
      if (open.length === 0 || open.includes(number)) layer.addTo(map);
      else layer.remove();
    });
  };
  for (const details of document.querySelectorAll("details[data-route]")) details.addEventListener("toggle", showOpen);
  showOpen();
}

async function begin() {
  const map = await drawSketch(element);
  if (!map) return;
  const data = JSON.parse(source().textContent);
  if (data.office) {
    const label = document.createElement("span");
    label.textContent = data.office_name;
    window.L.circleMarker(data.office, { radius: 10, color: "#13202a", weight: 3, fillColor: "#ffd449", fillOpacity: 1 }).bindTooltip(label).addTo(map);
  }
  drawRoutes(map);
  document.addEventListener("routes", () => {
    map.invalidateSize();
    drawRoutes(map);
  });
  element.dataset.ready = "1";
}
if (element && source()) begin();
