// The table of names: rates and schemas from a followed list, newest values from one subscription. Every text of a program is set as text.
import { NdArray, connect } from "/client.js";

const state = document.getElementById("state");
const filter = document.getElementById("filter");
const body = document.getElementById("names");
const rows = new Map();

function row(name) {
  let known = rows.get(name);
  if (!known) {
    const element = document.createElement("tr");
    const cells = Array.from({ length: 5 }, () => element.appendChild(document.createElement("td")));
    cells[0].textContent = name;
    known = { element, cells, passed: 0 };
    rows.set(name, known);
    const after = [...body.children].find((other) => other.firstChild.textContent > name);
    body.insertBefore(element, after ?? null);
    show(name, known);
  }
  return known;
}

function pattern() {
  const text = filter.value.trim() || "*";
  const escaped = text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${text.includes("*") || text.includes("?") ? escaped : `.*${escaped}.*`}$`);
}

function show(name, known, like = pattern()) {
  known.element.hidden = !like.test(name);
}

filter.addEventListener("input", () => {
  const like = pattern();
  rows.forEach((known, name) => show(name, known, like));
});

function listed(names, gone) {
  for (const one of names) {
    if (one.pattern !== "publish") continue;
    const { element, cells } = row(one.name);
    element.classList.remove("gone");
    cells[1].textContent = one.rate == null ? "" : one.rate.toFixed(1);
    cells[2].textContent = one.schema ?? "";
  }
  for (const name of gone) rows.get(name)?.element.classList.add("gone");
}

function received(message) {
  const known = row(message.name);
  known.passed += message.missed;
  known.cells[3].textContent = known.passed || "";
  const text = message.error ? message.error.message : stringify(message.value);
  known.cells[4].textContent = text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** A value as one line: what JSON has no form for as text, an array by its shape. */
function stringify(value) {
  return JSON.stringify(value, (_, part) => {
    if (typeof part === "bigint") return String(part);
    if (part instanceof NdArray) return `${part.dtype} [${part.shape}]`;
    if (ArrayBuffer.isView(part)) return `${part.constructor.name} [${part.length}]`;
    return part;
  });
}

async function show_all() {
  let lab;
  try {
    lab = await connect(location.href);
  } catch (error) {
    state.textContent = error.message;
    return;
  }
  const said = () => (state.textContent = `connected to ${lab.welcome.machine}`);
  lab.onstate = (now, error) => (now === "connected" ? said() : (state.textContent = `${now}: ${error?.message ?? ""}`));
  said();
  (async () => {
    for await (const { names, gone } of lab.follow()) listed(names, gone);
  })().catch(ended);
  for await (const message of lab.subscribe("*", { rate: 4 })) received(message);
}

function ended(error) {
  state.textContent = error.message;
}

if (new URLSearchParams(location.hash.slice(1)).get("token")) show_all().catch(ended);
else state.textContent = "Open this page by the address that `linkspan gateway` prints: it has a token.";
