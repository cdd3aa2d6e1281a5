// @ts-check
// Looks every two seconds, while the page can be seen, how the search for a plan gets on, and shows the plan when it is there.

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
      }
    } catch {
      // No network at the moment: the next look will tell.
    }
  }
  setTimeout(look, EVERY_MS);
}
if (box) setTimeout(look, EVERY_MS);
