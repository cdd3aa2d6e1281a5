// @ts-check
// Looks every two seconds, while the page can be seen, how far the look at a large bag list is, and shows the list when it is done.

const box = document.querySelector("[data-list]");
const EVERY_MS = 2000;

function tell(list) {
  const bar = box.querySelector("progress");
  const line = box.querySelector("[data-so-far]");
  bar.max = list.rows;
  bar.value = list.done;
  line.textContent = line.dataset.soFar.replace("{done}", list.done).replace("{rows}", list.rows);
}

async function look() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(box.dataset.list, { headers: { "If-None-Match": `"${box.dataset.version}"` } });
      if (answer.status === 200) {
        const list = await answer.json();
        if (list.state !== box.dataset.state) {
          location.reload();
          return;
        }
        box.dataset.version = list.version;
        tell(list);
      }
    } catch {
      // No network at the moment: the next look will tell.
    }
  }
  setTimeout(look, EVERY_MS);
}
if (box) setTimeout(look, EVERY_MS);
