// The key browser. Keys and values are bytes, and nothing of them is ever taken for markup.

import { element } from "./charts.js";

const PAGE = 50;
const SHOWN_BYTES = 64 << 10;

const byId = (id) => document.getElementById(id);
const encoder = new TextEncoder();

// Of a record of the API, `name` or `name`_base64, as bytes.
function bytesOf(record, name) {
  if (record[name] !== undefined) return encoder.encode(record[name]);
  return Uint8Array.from(atob(record[`${name}_base64`] ?? ""), (char) => char.charCodeAt(0));
}

// For JSON that is sent: as the API would give it back.
function field(name, bytes) {
  const text = textOf(bytes);
  if (text !== null) return { [name]: text };
  return { [`${name}_base64`]: btoa(String.fromCharCode(...bytes)) };
}

function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

// Bytes that are no visible text as \xNN.
function nameOf(bytes) {
  const text = textOf(bytes);
  if (text !== null && !/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) return text;
  return [...bytes].map((byte) => byte >= 0x20 && byte < 0x7f && byte !== 0x5c
    ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(48);
    const text = row.map((byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".").join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex} ${text}`);
  }
  return lines.join("\n");
}

const percent = (bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

async function call(path, body) {
  const response = await fetch(path, body === undefined ? { cache: "no-store" }
    : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message ?? `status ${response.status}`);
  return answer;
}

const consistency = () => byId("stale").checked ? "&consistency=stale" : "";

let cursor = null;
let chosen = null;  // The record whose value is shown.

async function list(query, keep) {
  const note = byId("keys-note");
  try {
    const answer = await call(`/v1/kv?${query}&keys_only&limit=${PAGE}`);
    const rows = answer.kvs.map(rowOf);
    const body = byId("keys").tBodies[0];
    if (keep) body.append(...rows);
    else body.replaceChildren(...rows);
    cursor = answer.cursor ?? null;
    byId("more").hidden = cursor === null;
    note.textContent = body.rows.length === 0 ? "There is no such key."
      : `${body.rows.length} keys${cursor === null ? "" : ", and more"}, at revision ${answer.revision}`;
    note.className = "quiet";
  } catch (error) {
    note.textContent = error.message;
    note.className = "bad";
  }
}

function rowOf(record) {
  const key = bytesOf(record, "key");
  const name = element("button", { type: "button", text: nameOf(key) });
  name.addEventListener("click", () => show(key));
  return element("tr", {}, ...[name, String(record.mod_revision), String(record.version), String(record.lease ?? "–")]
    .map((part) => element("td", {}, part)));
}

// By the range that holds this key alone: a path would lose the keys "." and "..".
async function show(key) {
  const box = byId("value"), facts = byId("value-facts"), shown = byId("value-shown");
  box.hidden = false;
  byId("value-key").textContent = nameOf(key);
  shown.textContent = "";
  facts.className = "quiet";
  try {
    const answer = await call(`/v1/kv?start=${percent(key)}&end=${percent(key)}%00&limit=1${consistency()}`);
    chosen = answer.kvs[0] ?? null;
    if (chosen === null) {
      facts.textContent = "This key is gone.";
      return;
    }
    const value = bytesOf(chosen, "value");
    const head = value.subarray(0, SHOWN_BYTES);
    const text = textOf(head);
    facts.textContent = `${value.length} bytes${head.length < value.length ? `, the first ${head.length} of them` : ""}`
      + `, created at revision ${chosen.create_revision}, changed at ${chosen.mod_revision}, version ${chosen.version}`;
    shown.textContent = text ?? dump(head);
    if (textOf(key) === null || textOf(value) === null) return;  // Not to be typed into a form.
    byId("edit-key").value = textOf(key);
    byId("edit-value").value = textOf(value);
  } catch (error) {
    facts.textContent = error.message;
    facts.className = "bad";
  }
}

// Only if the key is as it was shown; one that was not, only if there is none.
async function change(operation, done) {
  const note = byId("edit-note");
  const key = field("key", encoder.encode(byId("edit-key").value));
  const known = chosen !== null && textOf(bytesOf(chosen, "key")) === byId("edit-key").value;
  const compare = { ...key, target: "mod_revision", op: "=", number: known ? chosen.mod_revision : 0 };
  try {
    const answer = await call("/v1/txn", { compare: [compare], then: [operation(key)], else: [] });
    note.className = answer.succeeded ? "good" : "bad";
    note.textContent = answer.succeeded ? `${done} at revision ${answer.revision}.`
      : known ? "It was changed meanwhile: look at it again." : "There is such a key: look at it first.";
    if (!answer.succeeded) return;
    await search();
    await show(encoder.encode(byId("edit-key").value));
  } catch (error) {
    note.textContent = error.message;
    note.className = "bad";
  }
}

const search = () => list(`prefix=${encodeURIComponent(byId("prefix").value)}${consistency()}`, false);

export async function startKeys() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  byId("more").addEventListener("click", () => list(`cursor=${encodeURIComponent(cursor)}`, true));
  byId("edit").addEventListener("submit", (event) => {
    event.preventDefault();
    change((key) => ({ put: { ...key, value: byId("edit-value").value } }), "Put");
  });
  byId("delete").addEventListener("click", () => {
    if (byId("edit").reportValidity() && window.confirm(`Delete ${byId("edit-key").value}?`)) {
      change((key) => ({ delete: key }), "Deleted");
    }
  });
  search();
  try {
    byId("edit").hidden = !(await call("/ui/settings.json")).writes;
  } catch {
    // Without an answer it stays read-only.
  }
}
