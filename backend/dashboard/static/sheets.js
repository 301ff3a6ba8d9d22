// One sheet at a time: photos that look alike, odd ones taken out, the rest confirmed at once.
import { call } from "./jobs.js";

const { project, tasks: chosen, label: chosenLabel } = document.getElementById("script").dataset;
const $ = (id) => document.getElementById(id);
const known = new Set([...$("labels").options].map((option) => option.value));
let sheet = null; // {sheet, label, tasks: [{task, confidence}]}
let odd = new Map(); // task -> other label; "" = back to the queue, on a sheet of doubted answers: the label that it has
let marked = null; // the task whose label is asked for
let busy = false;

const send = (path, body = {}) => call(`/projects/${project}${path}`, body);

function say(text) { $("status").textContent = text; }

function draw() {
  $("sheet").replaceChildren(...(sheet?.tasks ?? []).map(({ task, confidence }, place) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "photo";
    button.dataset.task = task;
    button.setAttribute("aria-pressed", odd.has(task));
    button.setAttribute("aria-label", `Photo ${place + 1} of ${sheet.tasks.length}, task ${task}`);
    button.title = `task ${task}, ${Math.round(100 * confidence)} % sure`;
    const image = document.createElement("img");
    image.src = `/projects/${project}/tasks/${task}/thumbnail.jpg`;
    image.alt = "";
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = odd.get(task) ?? "";
    button.append(image, tag);
    button.addEventListener("click", () => toggle(task));
    item.append(button);
    return item;
  }));
  const count = sheet ? sheet.tasks.length - odd.size : 0;
  $("confirm").disabled = !sheet || busy;
  $("confirm").firstChild.textContent = sheet ? `Confirm ${count} as ${sheet.label} ` : "Confirm ";
  $("question").textContent = question();
}

function question() {
  if (!sheet) return "Look-alikes, answered at once";
  if (sheet.given) return `Answered ${sheet.given}, but all ${sheet.label}, except …`;
  return `All ${sheet.label}, except …`;
}

function refresh(task) {
  const button = $("sheet").querySelector(`[data-task="${task}"]`);
  button.setAttribute("aria-pressed", odd.has(task));
  button.querySelector(".tag").textContent = odd.get(task) ?? "";
  const count = sheet.tasks.length - odd.size;
  $("confirm").firstChild.textContent = `Confirm ${count} as ${sheet.label} `;
}

function toggle(task) {
  if (odd.has(task)) { odd.delete(task); hideLabel(); } else { odd.set(task, sheet.given); askLabel(task, false); }
  refresh(task);
}

function askLabel(task, focus) {
  marked = task;
  $("relabel").hidden = false;
  $("label").value = odd.get(task) ?? "";
  if (focus) $("label").focus();
}

function hideLabel() { marked = null; $("relabel").hidden = true; }

$("label").addEventListener("input", () => {
  if (marked !== null && (known.has($("label").value) || $("label").value === "")) {
    odd.set(marked, $("label").value);
    refresh(marked);
  }
});

async function take(prefix = "") {
  busy = true; odd = new Map(); hideLabel();
  try {
    const kind = $("kind").value;
    const wanted = kind === "chosen" ? { tasks: chosen.split(",").map(Number), label: chosenLabel } : {};
    sheet = await send("/sheets", { kind, ...wanted });
    if (!sheet.tasks.length) throw new Error(sheet.message);
    const right = Math.round(100 * sheet.expected_right);
    const photos = sheet.tasks.length === 1 ? "1 photo" : `${sheet.tasks.length} photos`;
    say(`${prefix}${photos}, about ${right} % expected to be ${sheet.label}.`);
  } catch (error) { sheet = null; say(prefix + error.message); }
  busy = false;
  draw();
  $("sheet").querySelector("button")?.focus();
}

async function confirm() {
  if (!sheet || busy) return;
  const answers = {};
  for (const { task } of sheet.tasks) {
    const label = odd.has(task) ? odd.get(task) : sheet.label;
    if (label) answers[task] = label;
  }
  busy = true; $("confirm").disabled = true; say("Saving …");
  try {
    const result = await send(`/sheets/${sheet.sheet}/answers`, { answers });
    const missed = result.left_out.length ? ` ${result.left_out.length} left out: ${result.left_out[0].message}.` : "";
    await take(`${result.saved.length} saved.${missed} `);
  } catch (error) { say(error.message); busy = false; $("confirm").disabled = false; }
}

async function undo() {
  if (busy) return;
  busy = true;
  try {
    const result = await send("/sheets/undo");
    await take(`${result.saved.length} answers taken back. `);
  } catch (error) { say(error.message); busy = false; }
}

function move(step) {
  const buttons = [...$("sheet").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)]?.focus();
}

function columns() {
  const tops = [...$("sheet").children].map((item) => item.offsetTop);
  return Math.max(tops.filter((top) => top === tops[0]).length, 1);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.id === "kind") return;
  const typing = event.target.id === "label";
  const task = Number(document.activeElement?.dataset?.task ?? NaN);
  const keys = { ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => move(columns()), ArrowUp: () => move(-columns()),
    u: undo, s: () => take(), l: () => { if (!Number.isNaN(task)) { if (!odd.has(task)) odd.set(task, sheet.given); refresh(task); askLabel(task, true); } },
    Enter: confirm, Escape: () => $("sheet").querySelector("button")?.focus() };
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (typing && !["Enter", "Escape"].includes(name)) return;
  if (typing) { event.preventDefault(); $("sheet").querySelector(`[data-task="${marked}"]`)?.focus(); return; }
  if (event.target.closest("#confirm, #skip, #undo") && name === "Enter") return;
  if (keys[name]) { event.preventDefault(); keys[name](); }
});
$("confirm").addEventListener("click", confirm);
$("skip").addEventListener("click", () => take());
$("undo").addEventListener("click", undo);
$("kind").addEventListener("change", () => take());
take();
