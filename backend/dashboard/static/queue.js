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
