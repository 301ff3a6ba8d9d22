// Jobs of any project can be cancelled here.
import { change } from "./jobs.js";

const say = (text) => { document.getElementById("stopped").textContent = text; };

document.addEventListener("click", async ({ target }) => {
  if (!target.dataset?.job) return;
  target.disabled = true;
  try {
    await change(target.dataset.project, target.dataset, say);
    target.closest("div").remove();
  } catch (error) { say(error.message); target.disabled = false; }
});
