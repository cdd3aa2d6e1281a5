// @ts-check
// The sum of the counted notes and its distance from what is expected, while the cashier types.

const written = (amount) => amount.toLocaleString("de-DE").replace("-", "−") + " đ";

for (const form of document.querySelectorAll("[data-count]")) {
  const expected = Number(form.dataset.expected);
  const notes = [...form.querySelectorAll("[data-note]")];
  const result = form.querySelector("[data-result]");
  const reason = form.querySelector("#f-difference_reason");
  result.hidden = false;

  const refresh = () => {
    const sum = notes.reduce((all, one) => all + Number(one.dataset.note) * (Number(one.value.replace(/\D/g, "")) || 0), 0);
    result.querySelector("[data-sum]").textContent = written(sum);
    result.querySelector("[data-difference]").textContent = written(sum - expected);
    reason.required = sum !== expected;
  };
  form.addEventListener("input", refresh);
  refresh();
}
