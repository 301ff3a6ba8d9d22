// Jobs of any project can be cancelled here.
import { change } from "./jobs.js";

const say = (text) => { document.getElementById("stopped").textContent = text; };

document.addEventListener("click", async ({ target }) => {
  if (!target.dataset?.job) return;
  const cell = target.closest("td");
  cell.tabIndex = -1;
  cell.focus(); // a button that is switched off cannot keep the keyboard's place
  target.disabled = true;
  try {
    await change(target.dataset.project, target.dataset, say);
    target.closest("div").remove();
    if (!cell.childElementCount) cell.textContent = "nothing";
  } catch (error) { say(error.message); target.disabled = false; target.focus(); }
});
