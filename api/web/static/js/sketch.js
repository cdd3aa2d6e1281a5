// @ts-check
// Our own drawing of communes and rivers under a map: no tiles, nothing from elsewhere. Leaflet is read as a global.

const NAMES_FROM_ZOOM = 10;

const colour = (name) => {
  const probe = document.createElement("span");
  probe.className = name;
  probe.hidden = true;
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const found = name.startsWith("hue-") ? style.backgroundColor : style.color;
  probe.remove();
  return found;
};

/** Makes the map in an element, or says in words that it could not. @returns {Promise<any | null>} */
export async function drawSketch(element) {
  const leaflet = window.L;
  if (!leaflet) {
    element.textContent = element.dataset.missing;
    return null;
  }
  const map = leaflet.map(element, { preferCanvas: true, zoomSnap: 0.25, zoomAnimation: false });
  map.attributionControl.setPrefix(false);
  map.setView([9.1, 105.05], 9);
  const answer = await fetch(element.dataset.sketch);
  const sketch = await answer.json();
  const line = colour("sketch-commune");
  leaflet.geoJSON(sketch, {
    attribution: sketch.attribution,
    filter: (feature) => feature.properties.kind === "commune",
    style: { color: line, weight: 1, fillColor: "#ffffff", fillOpacity: 0.65 },
    interactive: false,
  }).addTo(map);
  leaflet.geoJSON(sketch, {
    filter: (feature) => feature.properties.kind === "river",
    style: { color: colour("sketch-river"), weight: 4, opacity: 0.75 },
    interactive: false,
  }).addTo(map);
  const names = leaflet.layerGroup();
  for (const feature of sketch.features) {
    if (feature.properties.kind !== "commune") continue;
    const name = document.createElement("span");
    name.textContent = feature.properties.name.replace(/^\S+ /, "");
    const [lon, lat] = feature.properties.point;
    leaflet.tooltip([lat, lon], { permanent: true, direction: "center", className: "place", interactive: false, content: name }).addTo(names);
  }
  // From afar the names would cover one another; and each one that is put on the map has the whole page laid out.
  const showNames = () => {
    const near = map.getZoom() >= NAMES_FROM_ZOOM;
    element.classList.toggle("near", near);
    if (near) names.addTo(map);
    else names.remove();
  };
  map.on("zoomend", showNames);
  showNames();
  return map;
}

export { colour };
