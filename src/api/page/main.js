// The status page: asks every two seconds while it is looked at, and draws.

import { Chart, colourOf, element } from "./charts.js";
import { Cluster } from "./cluster.js";
import { startKeys } from "./keys.js";
import { ofData, quantile, rate } from "./metrics.js";

const EVERY_MS = 2000;
const SHOWN_LEADERS = 10;

const byId = (id) => document.getElementById(id);

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
export function showBytes(bytes) {
  const unit = Math.min(bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0, UNITS.length - 1);
  const value = bytes / 2 ** (10 * unit);
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}
const showCount = (count) => Math.round(count).toLocaleString("en");
const showTime = (seconds) => seconds < 0.001 ? `${(seconds * 1e6).toFixed(0)} µs`
  : seconds < 1 ? `${(seconds * 1e3).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
const orDash = (value, show) => value === null || value === undefined ? "–" : show(value);

const cluster = new Cluster();
const charts = {
  requests: new Chart("Requests a second", showCount),
  p99: new Chart("p99 of requests", showTime),
  lag: new Chart("Entries behind", showCount),
  sync: new Chart("p99 of log syncs", showTime),
};

function figuresOf(id) {
  const view = cluster.views.get(id);
  if (!view) return { requests: null, p99: null, sync: null };
  const { metrics, older } = view;
  return {
    requests: rate(metrics, older, "http_requests_total", ofData),
    p99: quantile(0.99, metrics, older, "http_request_duration_seconds", ofData),
    sync: quantile(0.99, metrics, older, "sisyphus_log_sync_seconds"),
  };
}

function drawSummary(members) {
  const voters = members.filter(({ voter }) => voter);
  const alive = voters.filter(({ health, reached }) => reached || health === "healthy").length;
  const majority = Math.floor(voters.length / 2) + 1;
  const leader = cluster.leader;
  const text = [leader ? `node ${leader} leads` : "no leader is known",
    `${alive} of ${voters.length} voters seen, ${majority} needed`, `revision ${showCount(cluster.committed)}`,
    `this is node ${cluster.self}`];
  if (cluster.own.cluster_id) text.push(`cluster ${cluster.own.cluster_id}`);
  byId("summary").textContent = text.join(" · ");
  byId("summary").className = leader && alive >= majority ? "" : "bad";
  document.title = `${leader ? "" : "no leader – "}node ${cluster.self} – SisyphusDB`;
}

function drawMembers(members, figures) {
  const rows = members.map((member) => {
    const { requests, p99 } = figures.get(member.id);
    const address = member.http_address
      ? element("a", { href: `http://${member.http_address}/`, text: member.http_address })
      : element("span", { text: member.peer_address ?? "–" });
    const cells = [
      [element("span", { class: `dot ${colourOf(member.id)}` }), String(member.id)],
      [member.role], [healthOf(member)], [orDash(member.term, String)], [orDash(member.applied, showCount)],
      [orDash(member.lag, showCount)], [orDash(requests, showCount)], [orDash(p99, showTime)],
      [member.version || "–"], [address]];
    const row = element("tr", {}, ...cells.map((parts) => element("td", {}, ...parts)));
    if (member.role === "leader") row.className = "leader";
    row.dataset.node = member.id;
    return row;
  });
  byId("members").tBodies[0].replaceChildren(...rows);
}

function healthOf({ health, reached }) {
  if (health === "unreachable") return element("span", { class: "bad", text: "unreachable" });
  if (health === "healthy") return element("span", { class: "good", text: "healthy" });
  return element("span", { class: "quiet", text: reached ? "answers" : "not seen from here" });
}

function drawLevels() {
  const { metrics } = cluster.views.get(cluster.self);
  const files = new Map(metrics.all("kv_level_file_count").map(({ labels, value }) => [labels.level, value]));
  const sizes = metrics.all("kv_level_size_bytes").map(({ labels, value }) => [labels.level, value]);
  const largest = Math.max(...sizes.map(([, bytes]) => bytes), 1);
  byId("levels").replaceChildren(...sizes.map(([level, bytes]) =>
    element("div", { class: "level" }, element("span", { text: `L${level}` }),
      element("progress", { max: largest, value: bytes, "aria-label": `Level ${level}` }),
      element("span", { text: `${showBytes(bytes)} in ${files.get(level) ?? 0} tables` }))));
}

function drawLeaders() {
  const shown = cluster.leaderHistory().slice(0, SHOWN_LEADERS).map(({ leader, term, ago_ms }) => {
    const since = new Date(Date.now() - ago_ms);
    return element("li", {}, element("span", { class: `dot ${colourOf(leader)}` }),
      `node ${leader}, term ${term}, since ${since.toLocaleString()}`);
  });
  byId("leaders").replaceChildren(...shown);
}

function draw() {
  const members = cluster.members();
  const figures = new Map(members.map(({ id }) => [id, figuresOf(id)]));
  const now = performance.now() / 1000;
  for (const member of members) {
    const { requests, p99, sync } = figures.get(member.id);
    charts.requests.add(member.id, now, requests);
    charts.p99.add(member.id, now, p99);
    charts.sync.add(member.id, now, sync);
    charts.lag.add(member.id, now, member.lag ?? null);
  }
  const ids = new Set(members.map(({ id }) => id));
  for (const chart of Object.values(charts)) {
    chart.keepOnly(ids);
    chart.draw(now);
  }
  drawSummary(members);
  drawMembers(members, figures);
  drawLevels();
  drawLeaders();
}

async function round() {
  try {
    await cluster.refresh();
    draw();
  } catch (error) {
    byId("summary").textContent = `This node does not answer (${error.message}); what is below is old.`;
    byId("summary").className = "bad";
    document.title = "no answer – SisyphusDB";
  }
}

let running = false;
async function watch() {
  if (running) return;
  running = true;
  while (!document.hidden) {
    await round();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  running = false;
}

byId("charts").append(...Object.values(charts).map(({ figure }) => figure));
document.addEventListener("visibilitychange", watch);
startKeys();
watch();
