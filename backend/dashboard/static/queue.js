// Photos pushed to the top of the queue, or away from it.
const { project } = document.getElementById("script").dataset;
const say = (text) => { document.getElementById("status").textContent = text; };

async function ended(job) {
  for (;;) {
    const answer = await (await fetch(`/job_status?job=${job}`)).json();
    if (["done", "failed", "cancelled"].includes(answer.job_status)) return;
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

for (const button of document.querySelectorAll("button[data-wish]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    say("The queue is ordered anew …");
    try {
      const response = await fetch(`/projects/${project}/queue/wishes`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ tasks: [Number(button.dataset.task)], wish: button.dataset.wish }),
      });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error?.message ?? `The backend answered ${response.status}.`);
      await ended(answer.job);
      location.reload();
    } catch (error) { say(error.message); button.disabled = false; }
  });
}

// Why the model says what it says: a picture that a job makes the first time somebody asks.
async function explain(task, place) {
  const path = `/projects/${project}/tasks/${task}/attribution.png`;
  for (;;) {
    const response = await fetch(path);
    if (response.status === 200) {
      const image = document.createElement("img");
      image.src = path;
      image.alt = `What in the photo of task ${task} speaks for its label, and the answered photos most like it`;
      place.replaceChildren(image);
      return;
    }
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error?.message ?? `The backend answered ${response.status}.`);
    const found = await (await fetch(`/job_status?job=${answer.job}`)).json();
    if (["failed", "cancelled"].includes(found.job_status)) throw new Error(found.message);
    place.textContent = `The picture is being made: ${found.percent} % …`;
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
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
