// The scope page: a table of this machine's names; a click on a name opens a panel. The address holds the layout, and
// only the tab's session storage holds the token.
import { connect } from "/client.js";
import { Names } from "/names.js";
import { oneLine } from "/values.js";
import { Panel, VIEWS, specOf } from "/views.js";
import { clock } from "/plot.js";
import { Player, Recording } from "/recording.js";

const of = (id) => document.getElementById(id);
const [state, filter, panels] = ["state", "filter", "panels"].map(of);
/** Newest values per second in the table. The rate is low because a value may be a long image. */
const RATE = 1;
/** Milliseconds after which an empty page opens a name. */
const SOON = 1000;

const page = {
  lab: undefined,
  /** The player of a recording, which replaces the connection. */
  player: undefined,
  /** Whether the page has a recording and no connection (`linkspan recording view`). */
  isViewing: false,
  panels: [],
  span: 30,
  isPaused: false,
  /** Whether new data stays hidden. A paused recording needs no such hold, because its player stops. */
  get isHeld() {
    return page.isPaused && !page.player;
  },
  cursor: undefined,
  frame: 0,
  /** Milliseconds spent drawing, over all frames. */
  drawing: 0,
  names: () => [...names.rows.keys()].sort(),
  point(from, at) {
    page.cursor = at;
    page.axis = from.axis;
    // The cross-hair goes through all panels with this axis.
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
const names = new Names(page, { table: document.querySelector("table"), none: of("none") });

/** Writes the layout into the address. */
function say(words) {
  const text = words.toString().replaceAll("%2F", "/").replaceAll("%7E", "~").replaceAll("%21", "!").replaceAll("%3A", ":");
  history.replaceState(null, "", `${location.pathname}${text ? `#${text}` : ""}`);
}

/** Shows a status text. File names, machine names and errors are foreign text. */
const tell = (text) => (state.textContent = oneLine(text));

// For tests and the browser's console.
globalThis.scope = page;

/** Reads the token and the layout from the address, and removes the token from it. */
function address() {
  const words = new URLSearchParams(location.hash.slice(1));
  const token = words.get("token");
  if (token) sessionStorage.setItem("token", token);
  words.delete("token");
  say(words);
  filter.value = words.get("names") ?? "";
  names.filter(filter.value);
  page.isViewing = of("live").hidden = words.has("recording");
  const span = Number(words.get("span"));
  if ([...of("span").options].some(({ value }) => Number(value) === span)) page.span = span;
  of("span").value = page.span;
  const specs = words.getAll("panel").map(specOf);
  return specs.filter(({ view, sources }) => Object.hasOwn(VIEWS, view) && sources.length).slice(0, 32);
}

/** Draws all changes, once per frame. */
function frame() {
  const begun = performance.now();
  page.frame++;
  if (page.player) play();
  names.draw();
  if (page.fresh !== undefined && begun - page.fresh > SOON) openFirst();
  for (const panel of page.panels) panel.draw();
  page.drawing += performance.now() - begun;
  requestAnimationFrame(frame);
}

/** Opens the first numeric name on an empty page. */
function openFirst() {
  const name = page.panels.length ? undefined : names.firstNumeric();
  if (name === undefined && !page.panels.length) return;
  page.fresh = undefined;
  if (name !== undefined) page.open({ view: "time", sources: [{ name }] });
}

/** Counts messages that the gateway could not deliver in time. Messages skipped because of the rate do not count. */
async function values(lab) {
  page.values?.close();
  const subscription = (page.values = lab.subscribe("*", { rate: RATE, events: true }));
  for await (const event of subscription) {
    if (subscription !== page.values) return;
    if (event.type === "message") names.received(event);
    else if (event.type === "lagged") names.lost(event.name, event.missed);
  }
}

async function follow(lab) {
  for await (const change of lab.follow()) {
    // Replies may arrive after a recording replaced the connection.
    if (lab !== page.lab) return;
    names.listed(change);
  }
}

function ended(error) {
  if (!page.player) tell(error.message);
}

/** Shows the names of a connection or player, and gives it to the panels. */
function shows(lab) {
  page.lab = lab;
  page.fresh = performance.now();
  names.clear();
  follow(lab).catch(ended);
  values(lab).catch(ended);
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

/** Advances the recording and shows the position. */
function play() {
  const { player } = page;
  if (page.sought !== undefined) {
    player.seek(page.sought);
    page.sought = undefined;
    // The table and all panels restart at that time.
    names.rewind();
    values(player).catch(ended);
    for (const panel of page.panels) panel.renew();
    names.listed(player.listing());
  } else if (page.frame % 30 === 0) names.listed(player.listing());
  player.advance(page.isPaused);
  of("play").setAttribute("aria-pressed", player.isPlaying);
  const { begin, end } = player.recording;
  const place = Math.round(((player.position - begin) / (end - begin || 1)) * 1000);
  const said = `${clock(player.position, 0.1)} (${(player.position - begin).toFixed(1)} of ${(end - begin).toFixed(1)} s)`;
  if (of("clock").value === said) return;
  of("clock").value = said;
  of("time").value = place;
  of("time").setAttribute("aria-valuetext", said);
}

/** The files of the page's recording; each is fetched when it is read. */
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
  names.filter(filter.value);
  page.changed();
};
of("span").onchange = () => {
  page.span = Number(of("span").value);
  for (const panel of page.panels) panel.widen();
  page.changed();
};
of("pause").onclick = () => {
  page.isPaused = !page.isPaused;
  of("pause").setAttribute("aria-pressed", page.isPaused);
  names.renew();
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
