// @ts-check
// Fills the fields of a point with where this phone is, when the person asks for it. Without it they are typed in.

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-here]"))) {
  if (!navigator.geolocation || !window.isSecureContext) continue;
  const field = (/** @type {string | undefined} */ id) => /** @type {HTMLInputElement} */ (document.getElementById(id ?? ""));
  const [lat, lon, told] = [field(button.dataset.lat), field(button.dataset.lon), field(button.dataset.told)];
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        [lat.value, lon.value] = [coords.latitude.toFixed(6), coords.longitude.toFixed(6)];
        told.textContent = told.dataset.found ?? "";
        button.disabled = false;
      },
      () => {
        told.textContent = told.dataset.none ?? "";
        button.disabled = false;
      },
      { enableHighAccuracy: true, timeout: 20_000, maximumAge: 60_000 },
    );
  });
}
