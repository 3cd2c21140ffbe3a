// The scope page: the names of the machine with rate, newest value and course; a name opens a panel. What is shown is in the address; the token is kept in the tab alone.
import { connect } from "/client.js";
import { line, number, numbers, oneLine, at, suits } from "/values.js";
import { Panel, VIEWS, specOf } from "/views.js";
import { clock } from "/plot.js";
import { Player, Recording } from "/recording.js";

const of = (id) => document.getElementById(id);
const [state, filter, body, none, panels] = ["state", "filter", "names", "none", "panels"].map(of);
const rows = new Map();
/** Points of the course of a name. */
const COURSE = 60;
/** Newest values a second in the table; an image among them is long. */
const RATE = 1;
const SVG = "http://www.w3.org/2000/svg";

const page = {
  lab: undefined,
  /** What plays a recording, in the place of the connection. */
  player: undefined,
  /** Whether this address has a recording and no connection: `linkspan recording view`. */
  isViewing: false,
  panels: [],
  span: 30,
  isPaused: false,
  /** Whether what comes is not shown. A recording that pauses stands still itself. */
  get isHeld() {
    return page.isPaused && !page.player;
  },
  cursor: undefined,
  frame: 0,
  /** Milliseconds that drawing took, of all frames. */
  drawing: 0,
  names: () => [...rows.keys()].sort(),
  point(from, at) {
    page.cursor = at;
    page.axis = from.axis;
    // The cross-hair goes through all panels of the same axis.
    for (const panel of page.panels) panel.say();
  },
  open(spec) {
    const panel = new Panel(page, spec);
    page.panels.push(panel);
    panels.append(panel.root);
    page.changed();
    return panel;
  },
  close(panel) {
    panel.end();
    page.panels = page.panels.filter((one) => one !== panel);
    page.changed();
  },
  changed() {
    const words = new URLSearchParams();
    if (filter.value) words.set("names", filter.value);
    if (page.span !== 30) words.set("span", page.span);
    if (page.isViewing) words.set("recording", 1);
    for (const panel of page.panels) words.append("panel", panel.text);
    say(words);
  },
};
/** Writes the address of what is shown. */
function say(words) {
  const text = words.toString().replaceAll("%2F", "/").replaceAll("%7E", "~").replaceAll("%21", "!").replaceAll("%3A", ":");
  history.replaceState(null, "", `${location.pathname}${text ? `#${text}` : ""}`);
}

/** Says what happens. Names of files and of machines, and errors, are texts of others. */
const tell = (text) => (state.textContent = oneLine(text));

// For tests and for the console of the browser.
globalThis.scope = page;

/** What the address says: the token, which leaves it, and the layout. */
function address() {
  const words = new URLSearchParams(location.hash.slice(1));
  const token = words.get("token");
  if (token) sessionStorage.setItem("token", token);
  words.delete("token");
  say(words);
  filter.value = words.get("names") ?? "";
  page.isViewing = of("live").hidden = words.has("recording");
  const span = Number(words.get("span"));
  if ([...of("span").options].some(({ value }) => Number(value) === span)) page.span = span;
  of("span").value = page.span;
  const specs = words.getAll("panel").map(specOf);
  return specs.filter(({ view, sources }) => Object.hasOwn(VIEWS, view) && sources.length).slice(0, 32);
}

function row(name) {
  let known = rows.get(name);
  if (known) return known;
  const element = document.createElement("tr");
  const cells = Array.from({ length: 6 }, () => element.appendChild(document.createElement("td")));
  const button = cells[0].appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = oneLine(name);
  button.title = `Open a panel of ${oneLine(name)}`;
  button.onclick = () => page.open({ view: known.value === undefined ? "time" : suits(known.value), sources: [{ name }] }).title.scrollIntoView({ block: "nearest" });
  // No canvas: each of them costs something in every frame, and this line changes once a second.
  const drawing = cells[4].appendChild(document.createElementNS(SVG, "svg"));
  for (const [key, value] of Object.entries({ viewBox: "0 0 104 20", "aria-hidden": "true" })) drawing.setAttribute(key, value);
  known = { element, cells, missed: 0, course: [], line: drawing.appendChild(document.createElementNS(SVG, "path")) };
  rows.set(name, known);
  const after = page.names().find((other) => other > name);
  body.insertBefore(element, rows.get(after)?.element ?? null);
  element.hidden = !like().test(name);
  none.hidden = true;
  return known;
}

function like() {
  const text = filter.value.trim() || "*";
  const escaped = text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  // Any character stands for itself, those that end a line, too.
  return new RegExp(`^${/[*?]/.test(text) ? escaped : `.*${escaped}.*`}$`, "su");
}

function listed({ names, gone }) {
  for (const one of names) {
    // What a name with a problem is may not be known: its reason is shown in the place of a value.
    if (one.pattern !== "publish" && !(one.problem && one.pattern == null)) continue;
    const known = row(one.name);
    const { element, cells } = known;
    element.classList.remove("gone");
    if (one.problem || known.problem) cells[3].textContent = cells[3].title = one.problem ? oneLine(`${one.problem}: ${one.reason ?? ""}`) : "";
    known.problem = one.problem;
    cells[1].textContent = one.rate == null ? "" : one.rate.toFixed(one.rate < 100 ? 1 : 0);
    cells[5].textContent = cells[5].title = oneLine(one.schema ?? "");
  }
  for (const name of gone) rows.get(name)?.element.classList.add("gone");
}

function received(message) {
  const known = row(message.name);
  known.value = message.value;
  if (page.isPaused) return;
  known.cells[3].textContent = message.error ? oneLine(message.error.message) : line(message.value, 120);
  const first = numbers(message.value)[0];
  if (first === undefined) return;
  known.course.push(number(at(message.value, first)));
  if (known.course.length > COURSE) known.course.shift();
  known.isNew = true;
}

function course({ line, course }) {
  const shown = course.filter(Number.isFinite);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  let path = "";
  for (const [at, value] of course.entries()) {
    const y = high > low ? 18 - ((value - low) / (high - low)) * 16 : 10;
    if (Number.isFinite(value)) path += `${path ? "L" : "M"}${(2 + (at / (COURSE - 1)) * 100).toFixed(1)} ${y.toFixed(1)}`;
  }
  line.setAttribute("d", path);
}

/** Draws all that has changed, once a frame. */
function frame() {
  const begun = performance.now();
  page.frame++;
  if (page.player) play();
  let left = 8;
  for (const known of rows.values()) {
    if (!known.isNew || left === 0 || known.element.hidden) continue;
    known.isNew = false;
    left--;
    course(known);
  }
  for (const panel of page.panels) panel.draw();
  page.drawing += performance.now() - begun;
  requestAnimationFrame(frame);
}

/** Messages that the gateway could not give in time: what was passed over by choice is none. */
async function losses(lab) {
  for await (const event of lab.subscribe("*", { rate: RATE, events: true })) {
    if (lab !== page.lab) return;
    if (event.type === "message") received(event);
    else if (event.type === "lagged") {
      const known = row(event.name);
      known.missed += event.missed;
      known.cells[2].textContent = known.missed;
    }
  }
}

async function follow(lab) {
  for await (const change of lab.follow()) {
    // What was asked of the connection may come after a recording took its place.
    if (lab !== page.lab) return;
    listed(change);
  }
}

function ended(error) {
  if (!page.player) tell(error.message);
}

/** Shows the names of a connection or of a player, and gives it to the panels. */
function shows(lab) {
  page.lab = lab;
  for (const { element } of rows.values()) element.remove();
  rows.clear();
  none.hidden = false;
  follow(lab).catch(ended);
  losses(lab).catch(ended);
  for (const panel of page.panels) panel.renew();
}

async function opened(files) {
  if (!files.length) return;
  tell("reading the recording");
  let recording;
  try {
    recording = await Recording.open(files);
  } catch (error) {
    return void tell(error.message);
  }
  page.lab?.close();
  page.player = new Player(recording, () => page.span);
  page.player.isPlaying = true;
  of("player").hidden = false;
  document.querySelector("caption").textContent = "Names of the recording: a name opens a panel";
  of("play").focus();
  tell([`${recording.name}: ${recording.count} messages of ${recording.names.size} names`, ...recording.problems.slice(0, 5)].join("; "));
  shows(page.player);
}

/** Goes on with the recording, and shows where it is. */
function play() {
  const { player } = page;
  if (page.sought !== undefined) {
    player.seek(page.sought);
    page.sought = undefined;
    for (const panel of page.panels) panel.renew();
  }
  if (!page.isPaused) player.advance();
  of("play").setAttribute("aria-pressed", player.isPlaying);
  const { begin, end } = player.recording;
  const place = Math.round(((player.position - begin) / (end - begin || 1)) * 1000);
  const said = `${clock(player.position, 0.1)} (${(player.position - begin).toFixed(1)} of ${(end - begin).toFixed(1)} s)`;
  if (of("clock").value === said) return;
  of("clock").value = said;
  of("time").value = place;
  of("time").setAttribute("aria-valuetext", said);
}

/** The files of the recording that this address has; each is fetched when it is read. */
async function given(token) {
  const get = async (path) => {
    const response = await fetch(path, { headers: { Authorization: `Bearer ${token}` } });
    if (response.ok) return response;
    throw new Error((await response.json()).detail);
  };
  const { files } = await (await get("/api/recording")).json();
  return files.map((file, at) => ({ ...file, arrayBuffer: async () => (await get(`/api/recording/${at}`)).arrayBuffer() }));
}

async function start() {
  const token = sessionStorage.getItem("token");
  if (!token) return ended(new Error("Open this page by the address that `linkspan gateway` prints: it has a token."));
  if (page.isViewing) return opened(await given(token));
  const lab = await connect(location.origin, { token });
  if (page.player) return lab.close();
  const said = () => tell(`connected to ${lab.welcome.machine}`);
  lab.onstate = (now, error) => {
    if (!page.player) now === "connected" ? said() : tell(`${now}: ${error?.message ?? ""}`);
  };
  said();
  shows(lab);
}

filter.oninput = () => {
  const wanted = like();
  for (const [name, { element }] of rows) element.hidden = !wanted.test(name);
  page.changed();
};
of("span").onchange = () => {
  page.span = Number(of("span").value);
  for (const panel of page.panels) panel.zoom(undefined);
  page.changed();
};
of("pause").onclick = () => {
  page.isPaused = !page.isPaused;
  of("pause").setAttribute("aria-pressed", page.isPaused);
};
of("share").onclick = async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    tell("the address of what is shown is copied; who opens it needs a token");
  } catch {
    tell("the browser does not allow to copy: take the address from its bar");
  }
};
of("open").onclick = () => of("files").click();
of("files").onchange = () => opened(of("files").files);
of("play").onclick = () => {
  const { player } = page;
  if (!player.isPlaying && player.position >= player.recording.end) page.sought = player.recording.begin;
  player.isPlaying = !player.isPlaying;
};
of("time").oninput = () => {
  const { begin, end } = page.player.recording;
  page.sought = begin + (of("time").value / 1000) * (end - begin);
};
of("speed").onchange = () => (page.player.speed = Number(of("speed").value));
of("live").onclick = () => location.reload();
const isFile = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!isFile(event)) return;
  event.preventDefault();
  of("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) of("drop").hidden = true;
});
addEventListener("drop", (event) => {
  of("drop").hidden = true;
  if (!isFile(event)) return;
  event.preventDefault();
  opened(event.dataTransfer.files);
});
addEventListener("hashchange", () => location.reload());
matchMedia("(prefers-color-scheme: dark)").onchange = () => page.panels.forEach((panel) => panel.show(panel.view));

for (const spec of address()) page.open(spec);
requestAnimationFrame(frame);
start().catch(ended);
