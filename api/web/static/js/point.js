// @ts-check
// A pin on the sketch fills in the coordinates: set by a click or by the button, dragged, or moved with the arrow keys.
// Choosing a commune goes there; typing the numbers moves the pin.

import { drawSketch } from "./sketch.js";

const element = document.getElementById("map");
const lat = document.getElementById("f-lat");
const lon = document.getElementById("f-lon");
const plusCode = document.getElementById("f-plus_code");
const STEP_PX = 8;
const WIDE_STEP_PX = 40;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

async function begin() {
  const map = await drawSketch(element);
  if (!map) return;
  const L = window.L;
  const boxes = JSON.parse(element.dataset.boxes);
  const said = document.querySelector("[data-pin-at]");
  const icon = L.divIcon({ className: "map-pin", iconSize: [48, 48], iconAnchor: [24, 44] });
  const pin = L.marker([0, 0], { icon, draggable: true, keyboard: true, autoPan: true, title: element.dataset.pin });

  const say = () => {
    said.textContent = lat.value && lon.value ? said.dataset.pinAt.replace("{lat}", lat.value).replace("{lon}", lon.value) : "";
  };
  const write = (at) => {
    lat.value = at.lat.toFixed(5);
    lon.value = at.lng.toFixed(5);
    // A point is set one way only.
    plusCode.value = "";
    say();
  };
  const showPin = () => {
    const at = [Number(lat.value.replace(",", ".")), Number(lon.value.replace(",", "."))];
    if (lat.value && lon.value && at.every(Number.isFinite)) pin.setLatLng(at).addTo(map);
    else pin.remove();
  };
  const put = (at) => {
    write(at);
    showPin();
  };
  const goTo = (code) => {
    const box = boxes[code];
    if (box) map.fitBounds([[box[0], box[1]], [box[2], box[3]]]);
  };
  const byKey = (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    // The map would move under the pin.
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? WIDE_STEP_PX : STEP_PX;
    const from = map.latLngToContainerPoint(pin.getLatLng());
    const at = map.containerPointToLatLng([from.x + arrow[0] * step, from.y + arrow[1] * step]);
    pin.setLatLng(at);
    write(at);
    map.panInside(at, { padding: [60, 60], animate: false });
  };
  pin.on("add", () => pin.getElement().addEventListener("keydown", byKey));
  pin.on("drag", () => write(pin.getLatLng()));
  map.on("click", (event) => put(event.latlng));
  const here = document.querySelector("[data-pin-here]");
  here.hidden = false;
  here.addEventListener("click", () => {
    put(map.getCenter());
    pin.getElement().focus();
  });
  for (const choice of document.querySelectorAll("[data-commune]")) choice.addEventListener("change", () => goTo(choice.value));
  for (const field of [lat, lon]) {
    field.addEventListener("input", () => {
      showPin();
      say();
    });
  }
  const offered = [...document.querySelectorAll("input[data-commune]")].map((one) => boxes[one.value]).filter(Boolean);
  const around = offered.length ? offered : JSON.parse(element.dataset.served).map((code) => boxes[code]).filter(Boolean);
  if (around.length) map.fitBounds(around.flatMap((box) => [[box[0], box[1]], [box[2], box[3]]]));
  showPin();
  say();
  element.dataset.ready = "1";
}
if (element) begin();
