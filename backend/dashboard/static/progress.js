// Jobs move as they run; once they have ended, the figures of the page are fetched anew.
import { call, change, ended, look } from "./jobs.js";

const jobs = document.getElementById("jobs");
let busy = jobs.querySelector("progress") !== null;

function line(job) {
  const row = document.createElement("p");
  row.className = "job";
  row.dataset.row = job.id;
  row.tabIndex = -1;
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.setAttribute("aria-label", job.kind);
  row.append(document.createElement("span"), bar);
  if (jobs.dataset.writes !== "true") return row;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = "cancel";
  button.dataset.job = job.id;
  button.dataset.do = "cancel";
  button.setAttribute("aria-label", `Cancel ${job.kind}`);
  row.append(button);
  return row;
}

// Rows stay where they are while their job runs, so that the keyboard does not lose its place.
function show(running) {
  const rows = new Map([...jobs.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row]));
  const wanted = new Set(running.map((job) => job.id));
  for (const part of [...jobs.children]) {
    if (wanted.has(part.dataset.row)) continue;
    if (part.contains(document.activeElement)) jobs.focus();
    part.remove();
  }
  for (const job of running) {
    const row = rows.get(job.id) ?? jobs.appendChild(line(job));
    const text = `${job.kind}: ${job.message || job.status}`;
    if (row.querySelector("span").textContent !== text) row.querySelector("span").textContent = text;
    row.querySelector("progress").value = job.percent;
    const button = row.querySelector("button");
    if (job.cancelling && button === document.activeElement) row.focus();
    if (button) button.disabled = job.cancelling;
  }
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

let events = null;
function listen() {
  events?.close(); // one that waits until it asks again would not see at once what has just begun
  const opened = events = new EventSource(`/projects/${jobs.dataset.project}/events`);
  events.addEventListener("jobs", (event) => {
    const found = JSON.parse(event.data);
    const running = found.filter((job) => job.kind !== "sync");
    show(running);
    if (running.length) { busy = true; return; }
    if (busy) { busy = false; fetchAnew(); }
    const quiet = document.createElement("p");
    quiet.className = "quiet";
    quiet.textContent = jobs.dataset.quiet;
    jobs.replaceChildren(quiet);
  });
  events.addEventListener("error", () => {
    if (opened === events && events.readyState === EventSource.CLOSED) setTimeout(listen, 5000); // too many pages listen
  });
}

document.addEventListener("click", async ({ target }) => {
  if (!target.dataset?.job) return;
  const say = (text) => { document.getElementById("stopped").textContent = text; };
  (target.closest("[data-row]") ?? jobs).focus(); // a button that is switched off cannot keep the keyboard's place
  target.disabled = true;
  try {
    const wanted = target.dataset.do;
    await change(jobs.dataset.project, target.dataset, say);
    if (wanted === "again") listen();
    await fetchAnew();
  } catch (error) { say(error.message); target.disabled = false; target.focus(); }
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

// Two versions that were not compared yet: a job does it, and the page comes again with what it found.
async function compare(place) {
  try {
    const { job } = await look(place.dataset.path);
    if (job) await ended(job, (found) => { place.textContent = `Compared: ${found.percent} %, ${found.message || "waits for its turn"}.`; });
    location.reload();
  } catch (error) { place.textContent = error.message; }
}
const comparing = document.getElementById("comparing");
if (comparing) compare(comparing);
listen();
