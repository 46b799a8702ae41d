// The Prometheus text format, and what two texts of one node say about the time between them.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

// What clients ask for, in contrast to what watches over a node.
const DATA = /^\/(v1\/(kv|txn|leases)\b|put$|get$|delete$)/;

export class Metrics {
  constructor(text) {
    this.at = performance.now() / 1000;
    this.samples = new Map();
    for (const line of text.split("\n")) {
      const match = SAMPLE.exec(line);
      if (match === null) continue;
      const labels = {};
      for (const [, name, value] of (match[2] ?? "").matchAll(LABEL)) labels[name] = value;
      if (!this.samples.has(match[1])) this.samples.set(match[1], []);
      this.samples.get(match[1]).push({ labels, value: Number(match[3]) });
    }
  }

  all(name) {
    return this.samples.get(name) ?? [];
  }

  sum(name, wanted = () => true) {
    let sum = 0;
    for (const { labels, value } of this.all(name)) if (wanted(labels)) sum += value;
    return sum;
  }

  // Counts by upper bound, ascending; the last bound is Infinity.
  buckets(name, wanted = () => true) {
    const counts = new Map();
    for (const { labels, value } of this.all(`${name}_bucket`)) {
      if (!wanted(labels)) continue;
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    return new Map([...counts].sort(([a], [b]) => a - b));
  }
}

export const ofData = (labels) => DATA.test(labels.endpoint ?? "");

// A second; null: `older` is missing, or of a process that has ended since.
export function rate(newer, older, name, wanted) {
  if (!older) return null;
  const grown = newer.sum(name, wanted) - older.sum(name, wanted);
  return grown < 0 ? null : grown / (newer.at - older.at);
}

// Of what was counted between the two, by linear interpolation inside a bucket; null: nothing was.
export function quantile(q, newer, older, name, wanted) {
  if (!older) return null;
  const before = older.buckets(name, wanted);
  const grown = [...newer.buckets(name, wanted)].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]);
  const total = grown.length > 0 ? grown[grown.length - 1][1] : 0;
  if (!(total > 0)) return null;
  let [lower, below] = [0, 0];
  for (const [bound, count] of grown) {
    if (count >= q * total) {
      if (bound === Infinity || count === below) return lower;
      return lower + (bound - lower) * (q * total - below) / (count - below);
    }
    [lower, below] = [bound, count];
  }
  return lower;
}
