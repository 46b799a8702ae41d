// The cluster, as this node and those of its members that this page can reach tell of it.

import { Metrics } from "./metrics.js";

const PATIENCE_MS = 2000;

async function ask(base, path) {
  const response = await fetch(base + path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

async function look(base) {
  const [cluster, metrics] = await Promise.all([ask(base, "/v1/cluster"), ask(base, "/metrics")]);
  return { cluster: await cluster.json(), metrics: new Metrics(await metrics.text()) };
}

export class Cluster {
  constructor() {
    this.self = null;         // The id of the node whose page this is.
    this.views = new Map();   // By id: { cluster, metrics, older }, of those that answered this time.
    this.metrics = new Map(); // By id: the last ones.
    this.addresses = new Map();  // By id.
  }

  // Throws if this page's own node does not answer.
  async refresh() {
    const own = await look("");
    this.self = own.cluster.id;
    for (const { id, http_address } of own.cluster.members) {
      if (http_address) this.addresses.set(id, http_address);
    }
    const looks = own.cluster.members.filter(({ id }) => id !== this.self).map(async ({ id }) => {
      try {
        return [id, await look(`http://${this.addresses.get(id)}`)];
      } catch {
        return null;  // Not reachable from this browser: known by what the others say of it.
      }
    });
    const seen = (await Promise.all(looks)).filter((entry) => entry !== null);
    this.views = new Map([[this.self, own], ...seen]);
    for (const [id, view] of this.views) {
      view.older = this.metrics.get(id) ?? null;
      this.metrics.set(id, view.metrics);
    }
  }

  get own() {
    return this.views.get(this.self).cluster;
  }

  // The leader with the highest term among those that were told; undefined: none is known.
  get leader() {
    const told = [...this.views.values()].map(({ cluster }) => cluster).filter(({ leader }) => leader);
    return told.sort((a, b) => b.term - a.term)[0]?.leader;
  }

  get committed() {
    return Math.max(...[...this.views.values()].map(({ cluster }) => cluster.committed));
  }

  // Each of itself, else as the leader tells, else as this page's node does.
  members() {
    const leader = this.views.get(this.leader)?.cluster;
    return this.own.members.map((told) => {
      const view = this.views.get(told.id);
      const of = (cluster) => cluster?.members.find(({ id }) => id === told.id);
      const member = { ...told, ...of(leader), ...of(view?.cluster) };
      member.reached = view !== undefined;
      // A majority may know that a node which still answers is cut off.
      if (of(leader)?.health === "unreachable") member.health = "unreachable";
      if (member.applied !== undefined) member.lag = Math.max(0, this.committed - member.applied);
      return member;
    });
  }

  // The newest first, each term once.
  leaderHistory() {
    const terms = new Map();
    for (const { cluster } of this.views.values()) {
      for (const change of cluster.leader_history ?? []) {
        const known = terms.get(change.term);
        if (!known || known.ago_ms < change.ago_ms) terms.set(change.term, change);
      }
    }
    return [...terms.values()].sort((a, b) => b.term - a.term);
  }
}
