// @ts-check
// Asks before what cannot be taken back lightly, and offers printing. Without it the forms simply go.

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    const pressed = /** @type {HTMLElement | null} */ (event.submitter);
    const question = pressed?.dataset.confirm || form.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
