// Small charts of the last minutes, as SVG.

const WINDOW_S = 600, FIRST_WINDOW_S = 60;
const WIDTH = 300, HEIGHT = 100;
const SVG = "http://www.w3.org/2000/svg";

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export const colourOf = (id) => `c${(id - 1) % 7}`;

export class Chart {
  // `show` puts a value into words.
  constructor(title, show) {
    this.show = show;
    this.series = new Map();  // By node: [[seconds, value]...]
    this.top = element("span", { class: "quiet" });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.setAttribute("aria-label", `${title}, at most the last ten minutes`);
    this.legend = element("div", { class: "legend" });
    this.figure = element("figure", {}, element("figcaption", {}, element("span", { text: title }), this.top),
      this.svg, this.legend);
  }

  // null: not known at this time, a gap.
  add(id, seconds, value) {
    if (!this.series.has(id)) this.series.set(id, []);
    const points = this.series.get(id);
    points.push([seconds, value]);
    while (points.length > 0 && points[0][0] < seconds - WINDOW_S) points.shift();
  }

  keepOnly(ids) {
    for (const id of this.series.keys()) if (!ids.has(id)) this.series.delete(id);
  }

  draw(now) {
    const known = [...this.series.values()].flat().map(([, value]) => value).filter((value) => value !== null);
    const top = Math.max(...known, 0);
    this.top.textContent = known.length > 0 ? `up to ${this.show(top)}` : "no data yet";
    const first = Math.min(now, ...[...this.series.values()].map((points) => points[0][0]));
    const span = Math.max(now - first, FIRST_WINDOW_S);
    const x = (seconds) => ((seconds - now) / span + 1) * WIDTH;
    const y = (value) => HEIGHT - 2 - (top > 0 ? value / top : 0) * (HEIGHT - 4);
    const lines = [], names = [];
    for (const [id, points] of [...this.series].sort(([a], [b]) => a - b)) {
      for (const run of runs(points)) {
        const line = document.createElementNS(SVG, "polyline");
        line.setAttribute("class", colourOf(id));
        line.setAttribute("points", run.map(([s, value]) => `${x(s).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
        lines.push(line);
      }
      const last = points[points.length - 1]?.[1] ?? null;
      names.push(element("span", {}, element("span", { class: `dot ${colourOf(id)}` }),
        `${id}: ${last === null ? "–" : this.show(last)}`));
    }
    this.svg.replaceChildren(...lines);
    this.legend.replaceChildren(...names);
  }
}

// The stretches without a gap.
function runs(points) {
  const all = [[]];
  for (const point of points) {
    if (point[1] === null) all.push([]);
    else all[all.length - 1].push(point);
  }
  return all.filter((run) => run.length > 0);
}
