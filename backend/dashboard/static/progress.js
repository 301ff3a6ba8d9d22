// Jobs move as they run; once they have ended, the figures of the page are fetched anew.
import { call, change } from "./jobs.js";

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
  if (jobs.dataset.writes !== "true") { row.append(text, bar); return row; }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = "cancel";
  button.disabled = job.cancelling;
  button.dataset.job = job.id;
  button.dataset.do = "cancel";
  button.setAttribute("aria-label", `Cancel ${job.kind}`);
  row.append(text, bar, button);
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

document.addEventListener("click", async ({ target }) => {
  if (!target.dataset?.job) return;
  const say = (text) => { document.getElementById("stopped").textContent = text; };
  target.disabled = true;
  try {
    await change(jobs.dataset.project, target.dataset, say);
    await fetchAnew();
  } catch (error) { say(error.message); target.disabled = false; }
});

// What a person decides about versions: asked once more, since it changes what annotators see.
document.getElementById("versions").addEventListener("click", async ({ target }) => {
  if (!target.dataset.post || !window.confirm(target.dataset.ask)) return;
  target.disabled = true;
  const say = (text) => { document.getElementById("said").textContent = text; };
  try {
    const answer = await call(`/projects/${jobs.dataset.project}/${target.dataset.post}`);
    target.blur();
    await fetchAnew();
    say(answer.serving ? `${answer.serving} serves from now on; the queue is ordered anew.` : "Training chooses again.");
  } catch (error) { say(error.message); target.disabled = false; }
});
listen();
