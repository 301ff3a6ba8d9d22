// Options of a project: what they would do to the queue is shown before they are applied.
import { call, ended } from "./jobs.js";

const { project } = document.getElementById("script").dataset;
const $ = (id) => document.getElementById(id);
const say = (text) => { $("status").textContent = text; };

const send = (path, body) => call(`/projects/${project}/options${path}`, body);

// Only what the project sets itself, or what was changed just now: the rest stays as it is set for all projects.
function chosen() {
  const found = {};
  for (const field of $("options").querySelectorAll("[data-kind]")) {
    if (field.dataset.own !== "true" && field.value === field.dataset.before) continue;
    const { kind } = field.dataset;
    if (kind === "number") found[field.name] = Number(field.value);
    else if (kind === "list") found[field.name] = field.value.split(",").map((part) => part.trim()).filter(Boolean);
    else found[field.name] = field.value;
  }
  const weights = {};
  for (const field of $("options").querySelectorAll("[data-weights] input")) {
    if (Number(field.value) !== 1) weights[field.name] = Number(field.value);
  }
  if (Object.keys(weights).length) found.weights = weights;
  return found;
}

function strip(list, places, others) {
  list.replaceChildren(...places.map(({ task, reason }) => {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = `/projects/${project}/tasks/${task}/thumbnail.jpg`;
    image.alt = `Task ${task}`;
    image.width = 96;
    image.height = 96;
    const text = document.createElement("span");
    text.textContent = reason;
    item.dataset.task = task;
    if (!others.has(task)) item.className = "fresh";
    item.append(image, text);
    return item;
  }));
}

$("options").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("preview").disabled = true;
  say("The queue is ordered for a look …");
  try {
    const { job } = await send("/preview", { extra_params: chosen() });
    const { now, then, message } = (await ended(job)).result;
    strip($("now"), now, new Set(then.map((place) => place.task)));
    strip($("then"), then, new Set(now.map((place) => place.task)));
    $("shown").hidden = false;
    say(`${message}.`);
  } catch (error) { say(error.message); }
  $("preview").disabled = false;
});

$("apply").addEventListener("click", async () => {
  $("apply").disabled = true;
  try {
    await send("/apply", { extra_params: chosen() });
    say("Applied. The queue is ordered anew.");
    for (const field of $("options").querySelectorAll("[data-kind]")) {
      if (field.value === field.dataset.before) continue;
      field.dataset.own = "true";
      field.dataset.before = field.value;
      field.closest("label").querySelector(".badge")?.remove();
    }
  } catch (error) { say(error.message); }
  $("apply").disabled = false;
});
