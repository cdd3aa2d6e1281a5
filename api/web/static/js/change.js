// @ts-check
// The sum to take at a door, and what to give back from the note that was handed over. Without it the form works the same.

const written = (amount) => amount.toLocaleString("de-DE") + " đ";
const read = (text) => Number((text || "").replace(/\D/g, "")) || 0;

for (const box of document.querySelectorAll("[data-charges]")) {
  const total = box.querySelector("[data-total]");
  const change = box.querySelector("[data-change]");
  const given = box.querySelector("[data-given]");
  const back = box.querySelector("[data-back]");
  if (!total || !change || !given || !back) continue;
  const lines = [...box.querySelectorAll(".charge")];
  change.hidden = false;

  const refresh = () => {
    let sum = 0;
    let cash = 0;
    for (const line of lines) {
      const amount = read(line.querySelector("[data-amount]").value);
      sum += amount;
      if (line.querySelector("[data-method]").value === "cash") cash += amount;
    }
    total.textContent = written(sum);
    const note = read(given.value);
    back.textContent = note ? written(note - cash).replace("-", "−") : "–";
  };
  box.addEventListener("input", refresh);
  refresh();
}
