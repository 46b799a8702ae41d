// node k8s_schema.js NODE_MODULES < MANIFESTS
//
// Compares Kubernetes objects, a JSON array on standard input, with the schemas of Kubernetes' own OpenAPI
// description and of the Prometheus operator (npm: kubernetes-models). Prints what is wrong, one line
// each, and exits with 1 if anything is. A field that no schema knows is wrong, too: the validators
// let it pass, but they never read it, and this is seen.
"use strict";
const path = require("path");
const fs = require("fs");

const modules = path.resolve(process.argv[2]);

function modelOf(object) {
  const [group, version] = object.apiVersion.includes("/")
    ? object.apiVersion.split("/") : ["", object.apiVersion];
  const name = group === "monitoring.coreos.com" ? "@kubernetes-models/prometheus-operator" : "kubernetes-models";
  return require(path.join(modules, name, group, version, object.kind + ".js"))[object.kind];
}

// `value`, and a note in `unread` of every field of it that nobody has read yet.
function watched(value, where, unread) {
  if (value === null || typeof value !== "object") return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, each] of Object.entries(value)) {
    const place = where + "/" + key;
    const inner = watched(each, place, unread);
    if (!Array.isArray(value)) unread.add(place);
    Object.defineProperty(copy, key, {
      enumerable: true, configurable: true,
      get() { unread.delete(place); return inner; },
    });
  }
  return copy;
}

let wrong = 0;
for (const object of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const name = `${object.kind} ${object.metadata.name}`;
  const unread = new Set();
  try {
    // The schemas' errors are the exception.
    modelOf(object).prototype.validate.call(watched(object, "", unread));
  } catch (error) {
    console.log(`${name}: ${error.message}`);
    ++wrong;
    continue;
  }
  for (const place of unread) {
    console.log(`${name}: ${place}: no such field`);
    ++wrong;
  }
}
process.exit(wrong > 0 ? 1 : 0);
