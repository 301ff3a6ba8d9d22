// Jobs move as they run; once they have ended, the figures of the page are fetched anew.
const jobs = document.getElementById("jobs");
let busy = jobs.querySelector("progress") !== null;

function line(job) {
  const row = document.createElement("p");
  row.className = "job";
  const text = document.createElement("span");
  text.textContent = `${job.kind}: ${job.message || job.status}`;
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.value = job.percent;
  bar.setAttribute("aria-label", job.kind);
  row.append(text, bar);
  return row;
}

async function fetchAnew() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other && !part.contains(document.activeElement)) part.replaceChildren(...other.childNodes);
  }
}

function listen() {
  const events = new EventSource(`/projects/${jobs.dataset.project}/events`);
  events.addEventListener("jobs", (event) => {
    const found = JSON.parse(event.data);
    const running = found.filter((job) => job.kind !== "sync");
    if (running.length) { busy = true; jobs.replaceChildren(...running.map(line)); return; }
    if (busy) { busy = false; fetchAnew(); }
    const quiet = document.createElement("p");
    quiet.className = "quiet";
    quiet.textContent = jobs.dataset.quiet;
    jobs.replaceChildren(quiet);
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000); // too many pages listen
  });
}

// What a person decides about versions: asked once more, since it changes what annotators see.
document.getElementById("versions").addEventListener("click", async ({ target }) => {
  if (!target.dataset.post || !window.confirm(target.dataset.ask)) return;
  target.disabled = true;
  const say = (text) => { document.getElementById("said").textContent = text; };
  try {
    const response = await fetch(`/projects/${jobs.dataset.project}/${target.dataset.post}`, { method: "POST" });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error?.message ?? `The backend answered ${response.status}.`);
    target.blur();
    await fetchAnew();
    say(answer.serving ? `${answer.serving} serves from now on; the queue is ordered anew.` : "Training chooses again.");
  } catch (error) { say(error.message); target.disabled = false; }
});
listen();
