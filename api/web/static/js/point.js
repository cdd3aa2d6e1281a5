// @ts-check
// A click on the sketch fills in the coordinates; choosing a commune goes there. Typing the numbers does the same.

import { drawSketch } from "./sketch.js";

const element = document.getElementById("map");
const lat = document.getElementById("f-lat");
const lon = document.getElementById("f-lon");

async function begin() {
  const map = await drawSketch(element);
  if (!map) return;
  const boxes = JSON.parse(element.dataset.boxes);
  const pin = window.L.circleMarker([0, 0], { radius: 9, color: "#13202a", weight: 3, fillColor: "#ffd449", fillOpacity: 1 });

  const showPin = () => {
    const at = [Number(lat.value.replace(",", ".")), Number(lon.value.replace(",", "."))];
    if (lat.value && lon.value && at.every(Number.isFinite)) pin.setLatLng(at).addTo(map);
    else pin.remove();
  };
  const goTo = (code) => {
    const box = boxes[code];
    if (box) map.fitBounds([[box[0], box[1]], [box[2], box[3]]]);
  };
  map.on("click", (event) => {
    lat.value = event.latlng.lat.toFixed(5);
    lon.value = event.latlng.lng.toFixed(5);
    showPin();
  });
  for (const choice of document.querySelectorAll("[data-commune]")) choice.addEventListener("change", () => goTo(choice.value));
  lat.addEventListener("input", showPin);
  lon.addEventListener("input", showPin);
  const offered = [...document.querySelectorAll("input[data-commune]")].map((one) => boxes[one.value]).filter(Boolean);
  const around = offered.length ? offered : JSON.parse(element.dataset.served).map((code) => boxes[code]).filter(Boolean);
  if (around.length) map.fitBounds(around.flatMap((box) => [[box[0], box[1]], [box[2], box[3]]]));
  showPin();
  element.dataset.ready = "1";
}
if (element) begin();
