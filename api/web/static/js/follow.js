// @ts-check
// Looks every two seconds, while the page can be seen, how the search for a plan gets on: its best routes so far, and the plan when it is there.

const box = document.querySelector("[data-follow]");
const EVERY_MS = 2000;

function tell(progress) {
  const bar = box.querySelector("progress");
  const line = box.querySelector("[data-so-far]");
  bar.max = progress.of_seconds;
  bar.value = progress.seconds;
  line.textContent = line.dataset.soFar
    .replace("{plans}", progress.plans)
    .replace("{seconds}", Math.round(progress.seconds))
    .replace("{of}", Math.round(progress.of_seconds));
  line.hidden = false;
}

/** Takes the routes of the page as it is now; what was opened stays open, and the map its own. */
async function takeRoutes() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-so-far-routes]");
  const here = document.querySelector("[data-so-far-routes]");
  if (!fresh || !here) return;
  const open = new Set([...here.querySelectorAll("details[data-route][open]")].map((one) => one.dataset.route));
  for (const part of [".tally", ".routes", "#map-data"]) here.querySelector(part).replaceWith(fresh.querySelector(part));
  for (const one of here.querySelectorAll("details[data-route]")) one.open = open.has(one.dataset.route);
  here.hidden = false;
  document.dispatchEvent(new Event("routes"));
}

async function look() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(box.dataset.follow, { headers: { "If-None-Match": `"${box.dataset.version}"` } });
      if (answer.status === 200) {
        const plan = await answer.json();
        if (plan.state !== "draft") {
          location.reload();
          return;
        }
        box.dataset.version = plan.version;
        if (plan.progress) tell(plan.progress);
        if (plan.progress && String(plan.progress.shown) !== box.dataset.shown) {
          await takeRoutes();
          box.dataset.shown = String(plan.progress.shown);
        }
      }
    } catch {
      // No network at the moment: the next look will tell.
    }
  }
  setTimeout(look, EVERY_MS);
}
if (box) setTimeout(look, EVERY_MS);
