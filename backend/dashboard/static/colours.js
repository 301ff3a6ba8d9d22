// What the points of the map are coloured by, and the legend that says so.
const style = () => getComputedStyle(document.documentElement);
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

function rgb(text) {
  const number = Number.parseInt(text.trim().slice(1, 7), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

// Hues a golden angle apart: neighbours in the list of labels are told apart, however many there are.
export function labelColour(label) {
  const hue = (label * 137.508 + 215) % 360;
  const light = (dark() ? [66, 76, 56] : [44, 34, 56])[label % 3] / 100;
  const reach = 0.62 * Math.min(light, 1 - light);
  return [0, 8, 4].map((shift) => {
    const at = (shift + hue / 30) % 12;
    return Math.round(255 * (light - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  });
}

// share in [0, 1]: from hardly seen to the accent colour.
export function ramp(share) {
  const [from, to] = [rgb(style().getPropertyValue("--line")), rgb(style().getPropertyValue("--accent"))];
  return from.map((value, part) => Math.round(value + (to[part] - value) * share));
}

const ENDS = { doubt: ["sure", "in doubt"], place: ["last, or answered", "next"], relevance: ["a stranger", "belongs"] };

// share of each point in [0, 1] by what the colour means; null: labels have colours of their own.
export function shares(by, data) {
  if (by === "label") return null;
  if (by !== "place") return data[by].map((value) => value / 100);
  const open = Math.max(1, data.place.reduce((most, value) => Math.max(most, value), 0));
  return data.place.map((value) => (value ? 1 - (value - 1) / open : 0));
}

export function colourPoints(by, data, chosen) {
  const count = data.task.length;
  const colours = new Uint8Array(4 * count);
  const worth = shares(by, data);
  const scale = worth ? Array.from({ length: 101 }, (_, step) => ramp(step / 100)) : data.labels.map((_, label) => labelColour(label));
  for (let at = 0; at < count; at += 1) {
    colours.set(scale[worth ? Math.round(100 * worth[at]) : data.label[at]], 4 * at);
    colours[4 * at + 3] = !chosen || chosen.has(at) ? 230 : 36;
  }
  return colours;
}

export function drawLegend(list, by, data, choose) {
  const row = (colour, text, count, click) => {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = `rgb(${colour.join(",")})`;
    const name = document.createElement(click ? "button" : "span");
    if (click) { name.type = "button"; name.className = "link"; name.addEventListener("click", click); }
    name.textContent = text;
    const figure = document.createElement("span");
    figure.className = "count";
    figure.textContent = count === null ? "" : count.toLocaleString("en");
    item.append(swatch, name, figure);
    return item;
  };
  if (by !== "label") {
    list.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => row(ramp(share), { 0: ENDS[by][0], 1: ENDS[by][1] }[share] ?? "", null)));
    return;
  }
  const counts = new Array(data.labels.length).fill(0);
  for (const label of data.label) counts[label] += 1;
  const used = counts.map((count, label) => ({ count, label })).filter(({ count }) => count).sort((one, two) => two.count - one.count);
  list.replaceChildren(...used.map(({ count, label }) => row(labelColour(label), data.labels[label], count, () => choose(label))));
}
