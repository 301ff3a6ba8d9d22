// Photos pushed to the top of the queue, or away from it.
import { call, ended, look } from "./jobs.js";

const { project } = document.getElementById("script").dataset;
const say = (text) => { document.getElementById("status").textContent = text; };

for (const button of document.querySelectorAll("button[data-wish]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    say("The queue is ordered anew …");
    try {
      const { job } = await call(`/projects/${project}/queue/wishes`, { tasks: [Number(button.dataset.task)], wish: button.dataset.wish });
      await ended(job);
      location.reload();
    } catch (error) { say(error.message); button.disabled = false; }
  });
}

// Why the model says what it says: a picture that a job makes the first time somebody asks.
async function explain(task, place) {
  const path = `/projects/${project}/tasks/${task}/attribution.png`;
  for (let fault = null; ;) { // what serves may be another version by the time that the job has ended
    const response = await fetch(path);
    if (response.status === 200) break;
    if (fault) throw fault; // else the job failed for another task, that somebody else asked about
    const { job } = response.ok ? await response.json() : await look(path);
    await ended(job, (found) => {
      place.textContent = `The picture is being made: ${found.percent} %, ${found.message || "it waits for its turn"} …`;
    }).catch((error) => { fault = error; });
  }
  const image = document.createElement("img");
  image.src = path;
  image.alt = `What in the photo of task ${task} speaks for its label, and the answered photos most like it`;
  place.replaceChildren(image);
}

for (const button of document.querySelectorAll("button[data-why]")) {
  button.addEventListener("click", async () => {
    const place = document.getElementById(`why-${button.dataset.why}`);
    place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", String(!place.hidden));
    if (place.hidden || place.childElementCount) return;
    try { await explain(button.dataset.why, place); } catch (error) { place.textContent = error.message; }
  });
}
