// The photos in the plane: moved, zoomed, chosen by lasso, rectangle, label or view; what is chosen opens as a sheet.
import { call, ended, look } from "./jobs.js";
import { colourPoints, drawLegend } from "./colours.js";
import { plotter } from "./points.js";

const { project, sheets, search, writes } = document.getElementById("script").dataset;
const $ = (id) => document.getElementById(id);
const say = (text) => { $("status").textContent = text; };
const ON_SHEET = 24;
const IN_LIST = 60;

$("draw").addEventListener("click", () => { draw(); });
if ($("draw").disabled && !$("plane")) follow().catch(stopped);

async function draw() {
  $("draw").disabled = true;
  try {
    const { job } = await call(`/projects/${project}/map/draw`);
    await follow(job);
  } catch (error) { stopped(error); }
}

function stopped(error) {
  say(error.message);
  $("draw").disabled = false;
}

async function follow(job) {
  const { jobs } = job ? { jobs: [] } : await look(`/projects/${project}/jobs?limit=50`);
  const id = job ?? jobs.find((item) => item.kind === "map")?.job;
  // Without an id it waits behind many newer ones.
  if (id) await ended(id, (found) => { say(`The map is being drawn: ${found.percent} %, ${found.message || "it waits for its turn"}.`); });
  else await new Promise((resolve) => { setTimeout(resolve, 5000); });
  location.reload();
}

async function start() {
  const data = await look(`/projects/${project}/map`);
  const count = data.task.length;
  const places = new Float32Array(2 * count);
  for (let at = 0; at < count; at += 1) {
    places[2 * at] = (2 * data.x[at]) / data.grid - 1;
    places[2 * at + 1] = (2 * data.y[at]) / data.grid - 1;
  }
  const plane = $("plane");
  const plot = plotter($("points"), places);
  plane.dataset.drawnWith = plot.kind;
  const view = { zoom: 0.94, centre: [0, 0], scale: [1, 1], shift: [0, 0] };
  let [width, height, density] = [1, 1, 1];
  let chosen = null; // Set of rows; null: none
  let waiting = false;

  if (!data.relevance.length) $("colour").querySelector('[value="relevance"]').remove();

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const least = Math.min(width, height);
      view.scale = [(view.zoom * least) / width, (view.zoom * least) / height];
      view.shift = [-view.centre[0] * view.scale[0], -view.centre[1] * view.scale[1]];
      const size = Math.min(12, Math.max(2.5, (60 / Math.sqrt(count)) * Math.sqrt(view.zoom) + 1.5));
      plot.draw(view, size * density);
    });
  }

  function recolour() {
    plot.paint(colourPoints($("colour").value, data, chosen));
    redraw();
  }

  function legend() {
    $("shown").textContent = $("colour").selectedOptions[0].textContent;
    drawLegend($("legend"), $("colour").value, data, (label) => choose(rows((at) => data.label[at] === label)));
  }

  function measure() {
    ({ width, height } = plane.getBoundingClientRect());
    density = devicePixelRatio || 1;
    for (const canvas of [$("points"), $("drawn")]) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    redraw();
  }

  const toPlane = (x, y) => [
    ((2 * x) / width - 1 - view.shift[0]) / view.scale[0], (1 - (2 * y) / height - view.shift[1]) / view.scale[1],
  ];
  const toScreen = (at) => [
    ((places[2 * at] * view.scale[0] + view.shift[0] + 1) / 2) * width,
    ((1 - places[2 * at + 1] * view.scale[1] - view.shift[1]) / 2) * height,
  ];
  const rows = (holds) => { const found = []; for (let at = 0; at < count; at += 1) if (holds(at)) found.push(at); return found; };

  function nearest(x, y, reach) {
    let [best, found] = [reach * reach, -1];
    for (let at = 0; at < count; at += 1) {
      const [px, py] = toScreen(at);
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < best) [best, found] = [far, at];
    }
    return found;
  }

  const told = (at) => `${data.labels[data.label[at]]}, ${data.answered[at] ? "answered" : `${100 - data.doubt[at]} %, place ${data.place[at].toLocaleString("en")} in the queue`}`;

  function hint(at, speak) {
    $("hint").hidden = at < 0;
    if (at < 0) return;
    const [x, y] = toScreen(at);
    const image = $("hint").querySelector("img");
    const source = `/projects/${project}/tasks/${data.task[at]}/thumbnail.jpg`;
    if (image.getAttribute("src") !== source) image.src = source;
    $("hint").dataset.task = data.task[at];
    $("hint").querySelector("span").textContent = told(at);
    $("hint").style.left = `${Math.min(Math.max(x + 12, 0), width - 152)}px`;
    $("hint").style.top = `${y + 200 > height ? Math.max(y - 204, 0) : y + 12}px`;
    if (speak) say(`Task ${data.task[at]}: ${told(at)}.`);
  }

  function choose(found) {
    chosen = found.length ? new Set(found) : null;
    recolour();
    for (const id of ["search", "none"]) $(id).hidden = !chosen;
    if (!chosen) $("sheet").hidden = true;
    if (!chosen) { say(`${count.toLocaleString("en")} photos${data.newer ? `; ${data.newer} newer ones are not on the map yet` : ""}.`); return; }
    const middle = [0, 1].map((axis) => found.reduce((sum, at) => sum + places[2 * at + axis], 0) / found.length);
    const far = (at) => (places[2 * at] - middle[0]) ** 2 + (places[2 * at + 1] - middle[1]) ** 2;
    const inner = [...found].sort((one, two) => far(one) - far(two));
    const open = inner.filter((at) => !data.answered[at]);
    const votes = new Map();
    for (const at of open.length ? open : found) votes.set(data.label[at], (votes.get(data.label[at]) ?? 0) + 1);
    const [label, share] = [...votes].sort((one, two) => two[1] - one[1])[0];
    const tasks = (list, most) => list.slice(0, most).map((at) => data.task[at]).join(",");
    say(`${found.length.toLocaleString("en")} photos chosen, ${open.length.toLocaleString("en")} without an answer; most are believed to be ${data.labels[label]} (${share.toLocaleString("en")}).`);
    $("sheet").hidden = !open.length || writes !== "true";
    $("sheet").textContent = open.length > ON_SHEET ? `Open ${ON_SHEET} of the middle as a sheet` : `Open ${open.length} as a sheet`;
    $("sheet").href = `${sheets}?${new URLSearchParams({ kind: "chosen", tasks: tasks(open, ON_SHEET), label: data.labels[label] })}`;
    $("search").href = `${search}?tasks=${tasks(inner, IN_LIST)}`;
  }

  function inside(line) {
    const corners = line.map(([x, y]) => toPlane(x, y));
    return rows((at) => {
      const [x, y] = [places[2 * at], places[2 * at + 1]];
      let odd = false;
      for (let one = 0, two = corners.length - 1; one < corners.length; two = one, one += 1) {
        const [[ax, ay], [bx, by]] = [corners[one], corners[two]];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
      }
      return odd;
    });
  }

  function outline(line) {
    const context = $("drawn").getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    if (line.length < 2) return;
    context.beginPath();
    for (const [x, y] of line) context.lineTo(x, y);
    context.closePath();
    const accent = getComputedStyle(plane).getPropertyValue("--accent");
    context.strokeStyle = accent;
    context.lineWidth = 2;
    context.fillStyle = `${accent.trim()}22`;
    context.fill();
    context.stroke();
  }

  function zoom(factor, x = width / 2, y = height / 2) {
    const [before] = [toPlane(x, y)];
    const next = Math.min(Math.max(view.zoom * factor, 0.5), 400);
    const kept = view.zoom / next;
    view.centre = view.centre.map((value, axis) => before[axis] + (value - before[axis]) * kept);
    view.zoom = next;
    redraw();
  }

  function move(x, y) {
    view.centre = [view.centre[0] - (2 * x) / width / view.scale[0], view.centre[1] + (2 * y) / height / view.scale[1]];
    redraw();
  }

  const inView = () => inside([[0, 0], [width, 0], [width, height], [0, height]]);
  let drag = null; // {mode, line, at}

  plane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const mode = event.shiftKey ? "lasso" : document.querySelector("[name=mode]:checked").value;
    drag = { mode, line: [[event.offsetX, event.offsetY]] };
    plane.setPointerCapture(event.pointerId);
    hint(-1);
  });
  plane.addEventListener("pointermove", (event) => {
    const box = plane.getBoundingClientRect();
    const here = [event.clientX - box.left, event.clientY - box.top];
    if (!drag) { hint(nearest(...here, 12)); return; }
    const last = drag.line[drag.line.length - 1];
    if (drag.mode === "move") { move(here[0] - last[0], here[1] - last[1]); drag.line = [here]; drag.moved = true; return; }
    if (drag.mode === "box") {
      const [from] = drag.line;
      drag.line = [from, [here[0], from[1]], here, [from[0], here[1]]];
    } else drag.line.push(here);
    outline(drag.line);
  });
  plane.addEventListener("pointerup", () => {
    if (drag && drag.mode !== "move" && drag.line.length > 2) choose(inside(drag.line));
    drag = null;
    outline([]);
  });
  plane.addEventListener("pointercancel", () => { drag = null; outline([]); });
  plane.addEventListener("pointerleave", () => { if (!drag) hint(-1); });
  plane.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = plane.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60;
    const keys = {
      ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), Enter: () => choose(inView()), Escape: () => choose([]),
      n: () => hint(nearest(width / 2, height / 2, Math.max(width, height)), true),
    };
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (keys[name]) { event.preventDefault(); keys[name](); }
  });
  $("view").addEventListener("click", () => choose(inView()));
  $("none").addEventListener("click", () => { choose([]); plane.focus(); });
  $("whole").addEventListener("click", () => { view.zoom = 0.94; view.centre = [0, 0]; redraw(); });
  $("colour").addEventListener("change", () => { legend(); recolour(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { legend(); recolour(); });
  new ResizeObserver(measure).observe(plane);
  measure();
  legend();
  choose([]);
  plane.dataset.ready = "true";
}
if ($("plane")) start().catch((error) => { say(error.message); });
