// The table of names: rates and schemas from a followed list, newest values from one subscription. Every text of a program is set as text.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const state = document.getElementById("state");
const filter = document.getElementById("filter");
const body = document.getElementById("names");
const rows = new Map();
let pause = 500;

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

function take(frame) {
  if (frame.type === "welcome") {
    pause = 500;
    state.textContent = `connected to ${frame.machine}`;
  } else if (frame.type === "names") {
    for (const one of frame.names) {
      if (one.pattern !== "publish") continue;
      const { element, cells } = row(one.name);
      element.classList.remove("gone");
      cells[1].textContent = one.rate == null ? "" : one.rate.toFixed(1);
      cells[2].textContent = one.schema ?? "";
    }
    for (const name of frame.gone ?? []) rows.get(name)?.element.classList.add("gone");
  } else if (frame.type === "message") {
    const known = row(frame.name);
    known.passed += frame.passed ?? 0;
    known.cells[3].textContent = known.passed || "";
    const text = JSON.stringify(frame.value);
    known.cells[4].textContent = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  } else if (frame.type === "error" || frame.error) {
    state.textContent = frame.text ?? frame.error.text;
  }
}

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/linkspan`, "linkspan.v1.json");
  const send = (frame) => socket.send(JSON.stringify(frame));
  socket.onopen = () => {
    send({ type: "hello", version: 1, token });
    send({ type: "names", id: 1, follow: true });
    send({ type: "subscribe", id: 2, names: ["*"], latest: true, rate: 4 });
  };
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => {
    state.textContent = `${state.textContent.replace(/^connected.*/, "disconnected")} – trying again`;
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 10000);
  };
}

if (token) connect();
else state.textContent = "Open this page by the address that `linkspan gateway` prints: it has a token.";
