// Panels: what names publish, as numbers against time, line, spectrum, image, tree or log. One panel may show several
// names.
import { stringify } from "/json.js";
import { drawScale, paint } from "/picture.js";
import { Plot, clock, colour } from "/plot.js";
import { csv, png, table } from "/saving.js";
import { POINTS, RESTARTED, Series, UNKNOWN } from "/series.js";
import { MOST, spectrum } from "/spectrum.js";
import { arrayOf, arrays, at, digits, exact, isPicture, isTree, line, magnitudes, number, numbers, oneLine, parts, readable, severalLines, suits, units } from "/values.js";

export const VIEWS = { time: "Against time", line: "Line", logarithmic: "Line, both axes logarithmic", spectrum: "Spectrum", image: "Image", tree: "Tree", log: "Log" };
/** The axis of a view's cursor. */
const axis = (view) => ({ time: "time", spectrum: "frequency" })[view] ?? "index";
/** Fields of a map that are drawn by default, and the most lines of a panel. */
const FIELDS = 6;
const LINES = 128;
/** Points that a line keeps, however short the span is. */
const KEPT = 32768;
const LOG = 500;
const NODES = 500;

/** Creates an element with a text, which may come from a program. */
function element(name, text, more = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = oneLine(text);
  return Object.assign(made, more);
}

// The form of a panel in the page's address: its view and names, separated by "~", and the fields of a name,
// separated by "!".
const inAddress = (text) => text.replace(/[%~!]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
const ofAddress = (text) => text.replace(/%(25|7e|21)/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
/** Returns the panel that a part of the address describes. */
export function specOf(text) {
  const [view, ...sources] = text.split("~");
  return { view, sources: sources.filter(Boolean).map((source) => (([name, ...fields]) => ({ name, fields: fields.length ? fields : undefined }))(source.split("!").map(ofAddress))) };
}

/**
 * The difference between the page's clock and message times. The soonest messages define it; for late ones, the last
 * message does.
 */
function offset(before, time) {
  const now = time - performance.now() / 1000;
  return before === undefined || now > before || now < before - 2 ? now : before;
}

export class Panel {
  /** `page`: the connection, the span, whether it pauses, and the cursor that all panels share. */
  constructor(page, { view, sources }) {
    this.page = page;
    this.view = view;
    this.sources = [];
    this.lines = [];
    this.missed = 0;
    this.isPaused = false;
    this.root = element("article");
    const head = this.root.appendChild(element("header"));
    this.title = head.appendChild(element("h2"));
    this.select = head.appendChild(element("select", undefined, { ariaLabel: "View" }));
    for (const [value, text] of Object.entries(VIEWS)) this.select.append(element("option", text, { value }));
    this.select.onchange = () => this.show(this.select.value);
    this.more = head.appendChild(element("select", undefined, { ariaLabel: "Add a name to this panel" }));
    this.more.append(element("option", "Add a name…", { value: "" }));
    this.more.onpointerdown = this.more.onfocus = () => this.fill();
    this.more.onchange = () => {
      if (this.more.value) this.add({ name: this.more.value });
      this.more.value = "";
    };
    const button = (text, label, what) => {
      const made = head.appendChild(element("button", text, { type: "button", ariaLabel: label, title: label }));
      made.onclick = what;
      return made;
    };
    this.choice = head.appendChild(element("select", undefined, { ariaLabel: "Show more of a value", hidden: true }));
    this.choice.onchange = () => this.choose(this.options[this.choice.selectedIndex - 1]);
    this.pauseButton = button("Pause", "Pause this panel", () => this.pause(!this.isPaused));
    button("Whole", "Show the whole again, without zoom", () => this.zoom(undefined));
    button("PNG", "Save what is shown as a picture", () => png(this));
    button("CSV", "Save what is shown as a table", () => csv(this));
    button("Close", "Close this panel", () => page.close(this));
    this.body = this.root.appendChild(element("div"));
    this.legend = this.root.appendChild(element("ul", undefined, { className: "legend" }));
    this.cuts = this.root.appendChild(element("p", undefined, { className: "note cuts" }));
    this.losses = this.root.appendChild(element("p", undefined, { className: "missed" }));
    for (const source of sources) this.addSource(source);
    this.show(view);
  }
  /** Its form in the page's address. */
  get text() {
    return [this.view, ...this.sources.map(({ name, fields }) => [name, ...(fields ?? [])].map(inAddress).join("!"))].join("~");
  }
  fill() {
    const known = new Set(this.sources.map(({ name }) => name));
    this.more.replaceChildren(element("option", "Add a name…", { value: "" }));
    for (const name of this.page.names()) if (!known.has(name)) this.more.append(element("option", name, { value: name }));
  }
  addSource({ name, fields }) {
    const source = { name, fields, units: new Map() };
    this.sources.push(source);
    this.ask(source);
  }
  ask(source) {
    this.page.lab?.schema(source.name).then(({ schema }) => {
      source.units = units(schema);
      this.describe();
    }, () => {});
  }
  /** Starts again with another connection or at another time of a recording. */
  renew() {
    for (const source of this.sources) this.ask(source);
    for (const source of this.sources) Object.assign(source, { wasCut: false, incarnation: undefined, lacks: false, isOther: false });
    if (this.isPaused) this.pause(false);
    this.offset = this.array = this.scaleText = undefined;
    this.missed = 0;
    this.losses.textContent = "";
    this.show(this.view);
  }
  add(source) {
    this.addSource(source);
    this.show(this.view);
  }
  show(view) {
    this.view = view;
    this.select.value = view;
    this.subscription?.close();
    this.lines = [];
    this.newest = new Map();
    this.isFull = false;
    this.looked = -Infinity;
    this.cuts.textContent = "";
    this.choice.hidden = true;
    for (const source of this.sources) Object.assign(source, { lines: new Map(), paths: undefined, value: undefined });
    this.body.replaceChildren();
    this.legend.replaceChildren();
    this.plot = undefined;
    this.isChanged = true;
    const all = this.sources.map(({ name }) => name);
    const names = oneLine(all.length > 4 ? `${all[0]} and ${all.length - 1} others` : all.join(", "));
    this.title.textContent = names;
    this.title.title = oneLine(all.join(", "));
    this.root.setAttribute("aria-label", `${VIEWS[view]}: ${names}`);
    if (["time", "line", "logarithmic", "spectrum"].includes(view)) this.makePlot();
    else if (view === "image") this.makePicture();
    else {
      this.body.className = view;
      this.body.tabIndex = 0;
      this.body.setAttribute("role", view === "log" ? "log" : "group");
      this.body.setAttribute("aria-label", `${VIEWS[view]} of ${names}`);
    }
    this.page.changed();
    this.subscribe();
  }
  /** Views against time take every message, other views only the newest. */
  subscribe() {
    if (!this.page.lab || !this.sources.length) return;
    const every = this.view === "time" || this.view === "log";
    const options = every ? { credit: 2048, events: true } : { latest: true, rate: 30 };
    const subscription = (this.subscription = this.page.lab.subscribe(this.sources.map(({ name }) => name), options));
    (async () => {
      for await (const event of subscription) if (subscription === this.subscription) this.happened(event);
    })().catch((error) => (this.losses.textContent = oneLine(error.message)));
  }
  /** If another program took the name while the connection was lost, the number of missed messages is unknown. */
  happened(event) {
    if (event.type === "disconnected") for (const source of this.sources) source.wasCut = true;
    else if (event.type === "joined") {
      const source = this.sources.find((one) => one.name === event.name);
      if (!source) return;
      if (source.incarnation !== undefined && source.incarnation !== event.incarnation) source[source.wasCut ? "lacks" : "isOther"] = true;
      Object.assign(source, { wasCut: false, incarnation: event.incarnation });
    } else if (event.type === undefined || event.type === "message") this.take(event);
  }
  pause(isPaused) {
    this.isPaused = isPaused;
    this.pauseButton.setAttribute("aria-pressed", isPaused);
    this.held = isPaused ? this.now() : undefined;
    if (!isPaused) this.zoom(undefined);
  }
  /** The current message time. It advances between messages, and lags if messages come late. */
  now() {
    if (this.page.player) return this.page.player.position;
    return this.offset === undefined ? Date.now() / 1000 : performance.now() / 1000 + this.offset;
  }
  zoom(range) {
    if (this.plot) this.plot.zoom = range;
    if (this.plot) this.plot.drawn = undefined;
    this.isChanged = true;
  }

  /** Shows another span. A recording also has the messages before it. */
  widen() {
    this.isFull = false;
    if (this.page.player && this.view === "time") this.show(this.view);
    else this.zoom(undefined);
  }

  take(message) {
    const { name, value, missed } = message;
    const time = message.time.seconds;
    this.offset = offset(this.offset, time);
    if (missed && this.view !== "time" && this.view !== "log") this.passed = (this.passed ?? 0) + missed;
    if (missed && (this.view === "time" || this.view === "log")) {
      this.missed += missed;
      this.losses.textContent = `${this.missed} messages missed, the last ${missed} of ${oneLine(name)} at ${clock(time)}`;
    }
    const source = this.sources.find((one) => one.name === name);
    const lacks = source?.lacks ? UNKNOWN : missed || (source?.isOther ? RESTARTED : 0);
    if (source?.lacks) {
      this.losses.textContent = `the connection was lost, and another program has ${oneLine(name)} since: how many messages are missed before ${clock(time)} is not known`;
    }
    if (source) source.lacks = source.isOther = false;
    if (this.view === "time") return this.takeNumbers(source, value, message.time, lacks);
    if (this.view === "log") return this.takeText(name, value, message.time, lacks);
    if (this.isPaused || this.page.isHeld) return;
    this.newest.set(name, { value, time: message.time });
    this.isChanged = true;
  }
  takeNumbers(source, value, time, missed) {
    if (!source) return;
    const { name } = source;
    source.value = value;
    source.paths ??= [...(source.fields ?? [])];
    // Later messages may have numbers even if the first ones have none.
    if (!source.fields && source.paths.length < FIELDS && (isTree(value) || !source.paths.length)) {
      for (const path of numbers(value, FIELDS)) if (source.paths.length < FIELDS && !source.paths.includes(path)) source.paths.push(path);
    }
    for (const path of source.paths) {
      let found = source.lines.get(path);
      if (!found) {
        if (this.lines.length >= LINES) break;
        found = this.addLine(path ? `${name} ${readable(path)}` : name, source, path);
        found.series = new Series();
        source.lines.set(path, found);
      }
      const { series } = found;
      if (series.end >= series.size && !this.isFull) this.makeRoom(series, time.seconds);
      const leaf = at(value, path);
      const told = number(leaf);
      series.push(time, told ?? NaN, missed, told === undefined ? null : exact(leaf));
    }
    this.isChanged = true;
  }
  /** Keeps enough points for the span, if the page's memory limit allows. */
  makeRoom(series, time) {
    if (series.size >= KEPT && series.times[series.start % series.size] < time - this.page.span) return;
    const all = this.page.panels.reduce((sum, { lines }) => sum + lines.reduce((points, one) => points + (one.series?.size ?? 0), 0), 0);
    if (all + series.size > POINTS) this.isFull = true;
    else series.resize(2 * series.size);
  }
  addLine(label, source, path) {
    const text = line(label, 200);
    const made = { label, text, source, path, colour: colour(this.lines.length), visible: true };
    const item = this.legend.appendChild(element("li"));
    const box = item.appendChild(element("input", undefined, { type: "checkbox", checked: true, ariaLabel: `Show ${text}` }));
    box.onchange = () => {
      made.visible = box.checked;
      if (this.plot) this.plot.drawn = undefined;
      this.isChanged = true;
    };
    item.appendChild(element("span", undefined, { className: "key" })).style.background = made.colour;
    item.append(element("span", text));
    made.shown = item.appendChild(element("output"));
    this.lines.push(made);
    this.describe();
    return made;
  }
  describe() {
    const found = new Set(this.lines.map((one) => this.unitOf(one)).filter(Boolean));
    if (!this.plot) return;
    this.plot.unit = line([...found].join(", "), 100);
    this.plot.drawn = undefined;
    this.isChanged = true;
  }
  /** The unit of a line, as shown. */
  unitOf({ source, path }) {
    return line(source.units.get(path) ?? "", 40);
  }
  takeText(name, value, time, missed) {
    if (this.isPaused || this.page.isHeld) return;
    const isAtEnd = this.body.scrollTop + this.body.clientHeight >= this.body.scrollHeight - 30;
    if (missed) this.body.append(element("p", { [UNKNOWN]: "the connection was lost: how many are missed is not known", [RESTARTED]: "another program has the name since" }[missed] ?? `${missed} missed`, { className: "missed" }));
    const row = this.body.appendChild(element("p"));
    row.append(element("time", clock(time.seconds)));
    // Further lines of a text are indented, to distinguish them from new texts.
    const text = typeof value === "string" ? severalLines(value.length > 2000 ? `${value.slice(0, 2000)}…` : value) : line(value, 2000);
    row.append(`${this.sources.length > 1 ? `${oneLine(name)}: ` : ""}${text}`);
    const whole = typeof value !== "string" ? (arrays(value).length ? text : stringify(value)) : value.length > 10000 ? `${value.slice(0, 10000)}… (${value.length} characters)` : value;
    Object.assign(row, { time, saved: `${this.sources.length > 1 ? `${name}: ` : ""}${whole}` });
    while (this.body.childElementCount > LOG) this.body.firstElementChild.remove();
    if (isAtEnd) this.body.scrollTop = this.body.scrollHeight;
  }

  makePlot() {
    this.body.className = "layers";
    this.body.removeAttribute("aria-label");
    this.body.removeAttribute("role");
    this.body.removeAttribute("tabindex");
    this.plot = new Plot(this.body, this.view);
    if (this.view === "spectrum") this.plot.across = "cycles per element";
    const { top } = this.plot;
    top.tabIndex = 0;
    top.setAttribute("role", "img");
    let from;
    const place = (event) => event.clientX - top.getBoundingClientRect().left;
    top.onpointerdown = (event) => {
      from = place(event);
      top.setPointerCapture(event.pointerId);
    };
    top.onpointermove = (event) => {
      this.page.point(this, this.plot.under(place(event)));
      if (from !== undefined && Math.abs(place(event) - from) > 4) this.plot.point(this.plot.under(place(event)), [from, place(event)]);
    };
    top.onpointerup = (event) => {
      const to = place(event);
      if (from !== undefined && Math.abs(to - from) > 4) this.zoomTo(Math.min(from, to), Math.max(from, to));
      from = undefined;
    };
    top.onpointerleave = () => from === undefined && this.page.point(this, undefined);
    top.ondblclick = () => this.zoom(undefined);
    top.onkeydown = (event) => this.key(event);
  }
  zoomTo(left, right) {
    const { plot } = this;
    const range = [plot.under(left), plot.under(right)];
    this.zoom(plot.isLogX ? range.map((one) => Math.log10(Math.max(one, 1))) : range);
  }
  key(event) {
    const { plot, page } = this;
    const [low, high] = plot.shown ?? [0, 1];
    const size = high - low;
    const { cursor } = this;
    const middle = cursor ?? (low + high) / 2;
    const actions = {
      ArrowLeft: () => page.point(this, (cursor ?? high) - size / 50),
      ArrowRight: () => page.point(this, (cursor ?? low) + size / 50),
      "+": () => this.zoom([middle - size / 4, middle + size / 4]),
      "-": () => this.zoom([middle - size, middle + size]),
      Home: () => this.zoom(undefined),
      Escape: () => page.point(this, undefined),
      " ": () => this.pause(!this.isPaused),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  }
  /** The shared cursor, if it is on this panel's axis. */
  get cursor() {
    return this.page.axis === this.axis ? this.page.cursor : undefined;
  }
  get axis() {
    return axis(this.view);
  }
  makePicture() {
    this.body.className = "picture";
    this.canvas = this.body.appendChild(element("canvas"));
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.scale = this.body.appendChild(element("canvas", undefined, { className: "scale", width: 176, height: 480, ariaHidden: "true" }));
    this.note = this.legend.appendChild(element("li"));
    this.spot = undefined;
    this.canvas.onpointermove = (event) => {
      const box = this.canvas.getBoundingClientRect();
      this.spot = [((event.clientY - box.top) / box.height) * this.canvas.height, ((event.clientX - box.left) / box.width) * this.canvas.width].map(Math.floor);
      this.say();
    };
    this.canvas.onkeydown = (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!move) return;
      event.preventDefault();
      const [row, column] = this.spot ?? [0, 0];
      this.spot = [Math.min(Math.max(row + move[0], 0), this.canvas.height - 1), Math.min(Math.max(column + move[1], 0), this.canvas.width - 1)];
      this.say();
    };
  }

  draw() {
    this.look();
    if (this.plot && this.view === "time") {
      const isHeld = this.isPaused || this.page.isHeld;
      if (isHeld && !this.isChanged && this.plot.drawn) return;
      if (isHeld) this.held ??= this.now();
      else this.held = undefined;
      if (isHeld && this.plot.drawn && !this.plot.zoom) return;
      this.plot.drawTime(this.lines, this.held ?? this.now(), this.page.span);
      this.isChanged = false;
      if (this.page.frame % 15 === 0) this.say();
      return;
    }
    if (!this.isChanged) return;
    this.isChanged = false;
    if (this.plot) this.drawLines();
    else if (this.view === "image") this.drawPicture();
    else if (this.view === "tree") this.drawTree();
    this.say();
  }
  /** The paths of the arrays to show: the selected ones, or the first. */
  shownOf(source, value) {
    const chosen = (source.fields ?? []).filter((path) => arrayOf(value, path));
    return chosen.length ? chosen : arrays(value).slice(0, 1);
  }
  drawLines() {
    for (const source of this.sources) {
      const got = this.newest.get(source.name);
      if (!got) continue;
      for (const one of source.lines.values()) one.data = undefined;
      for (const path of this.shownOf(source, got.value)) {
        const array = arrayOf(got.value, path);
        const made = this.view === "line" ? parts(array).map(([part, data]) => ({ part, data })) : this.view === "spectrum" ? [spectrum(array) ?? {}] : [magnitudes(array)];
        for (const { part, data, first, step } of made) {
          const label = [source.name, readable(path), part].filter(Boolean).join(" ");
          if (!source.lines.has(label) && this.lines.length < LINES) source.lines.set(label, this.addLine(label, source, path));
          Object.assign(source.lines.get(label) ?? {}, { data, first, step });
        }
      }
    }
    this.plot.drawArrays(this.lines);
  }
  drawPicture() {
    const [source] = this.sources;
    const got = this.newest.get(source.name);
    const path = got && this.shownOf(source, got.value).find((one) => isPicture(arrayOf(got.value, one)));
    const found = path === undefined ? arrays(got?.value).find((one) => isPicture(arrayOf(got.value, one))) : path;
    if (found === undefined) {
      this.note.textContent = got ? `no image: ${line(got.value, 100)}` : "";
      return;
    }
    const given = arrayOf(got.value, found);
    const array = magnitudes(given);
    const [height, width] = array.shape;
    if (this.canvas.width !== width || this.canvas.height !== height || !this.image) {
      Object.assign(this.canvas, { width, height });
      this.image = this.canvas.getContext("2d").createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const { bounds, odd } = paint(array, this.pixels);
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    this.shownPath = found;
    this.array = array;
    this.about = `${given === array ? "" : "magnitude of "}${given.dtype} ${given.shape.join(" × ")}, ${bounds.map(digits).join(" to ")}${odd ? `; ${odd}` : ""}`;
    this.pictures = (this.pictures ?? 0) + 1;
    const text = bounds.map(digits).join();
    if (this.scaleText === text) return;
    this.scaleText = text;
    drawScale(this.scale, bounds, getComputedStyle(this.root).getPropertyValue("--soft"));
  }
  drawTree() {
    const list = element("ul");
    let nodes = 0;
    const grow = (value, into, depth) => {
      for (const [key, part] of Object.entries(value)) {
        if (++nodes > NODES) return void (nodes === NODES + 1 && into.append(element("li", `… the first ${NODES} values are shown; CSV has all`)));
        const item = into.appendChild(element("li", isTree(part) && depth < 8 ? line(key) : `${line(key)}: ${line(part)}`));
        if (isTree(part) && depth < 8) grow(part, item.appendChild(element("ul")), depth + 1);
      }
    };
    for (const { name } of this.sources) {
      const got = this.newest.get(name);
      if (got) grow(isTree(got.value) && this.sources.length === 1 ? got.value : { [name]: got.value }, list, 0);
    }
    this.body.replaceChildren(list);
  }

  /** Writes the values at the cursor, or the newest ones, next to the picture and for screen readers. */
  say() {
    if (this.view === "image") {
      if (!this.array) return;
      const [row, column] = this.spot ?? [];
      const { shape } = this.array;
      const pixel = () => (shape.length === 3 ? Array.from({ length: shape[2] }, (_, channel) => this.array.at(row, column, channel)).join(" ") : digits(this.array.at(row, column)));
      const isInside = row >= 0 && row < shape[0] && column >= 0 && column < shape[1];
      this.note.textContent = `${this.about}${isInside ? `; row ${row}, column ${column}: ${pixel()}` : ""}`;
      this.canvas.setAttribute("aria-label", `Image of ${oneLine(this.sources[0].name)}: ${this.note.textContent}`);
      return;
    }
    if (!this.plot) return;
    const { cursor } = this;
    // A paused panel shows the values of its time.
    const time = cursor ?? this.held;
    const texts = [];
    for (const one of this.lines) {
      const { text: label, series, data, first = 0, step = 1, shown } = one;
      let value;
      if (series) value = time === undefined ? series.at(series.end - 1) : series.valueAt(time);
      else if (data && cursor !== undefined) value = data[Math.round((cursor - first) / step)];
      const text = value == null ? (data ? `${data.length} elements` : "") : `${digits(value)} ${this.unitOf(one)}`;
      if (shown.value !== text) shown.value = text;
      if (texts.length < 12) texts.push(`${label} ${text}`);
    }
    const place = cursor === undefined ? "newest values" : `at ${this.view === "time" ? clock(cursor) : this.view === "spectrum" ? digits(cursor) : Math.round(cursor)}`;
    this.plot.top.setAttribute("aria-label", `${VIEWS[this.view]}, ${place}: ${texts.join(", ")}`);
    this.plot.point(cursor);
  }

  /** Once a second, lists what the panel leaves out and offers remedies. */
  look() {
    const now = performance.now();
    if (now - this.looked < 1000) return;
    this.looked = now;
    const cuts = [];
    const options = [];
    for (const source of this.view === "image" ? this.sources.slice(0, 1) : this.sources) {
      const value = this.view === "time" ? source.value : this.newest.get(source.name)?.value;
      if (value === undefined) continue;
      const isTime = this.view === "time";
      const all = isTime ? numbers(value) : this.plot || this.view === "image" ? arrays(value) : [];
      const shown = isTime ? [...source.lines.keys()] : this.view === "image" ? [this.shownPath] : this.shownOf(source, value);
      const others = all.filter((path) => !shown.includes(path));
      const kind = isTime ? "numbers" : "arrays";
      const name = oneLine(source.name);
      if (others.length && !source.fields) cuts.push(`${name}: ${all.length - others.length} of ${all.length === 1000 ? "1000 or more" : all.length} ${kind} are shown`);
      if (this.plot && !all.length) cuts.push(`${name}: no ${isTime ? "number" : "array"} in ${line(value, 100)}`);
      if (isTime && others.length > 1) options.push({ source, paths: others, text: `All ${kind} of ${name}` });
      for (const path of others.slice(0, 100)) options.push({ source, paths: [path], text: oneLine([source.name, readable(path)].filter(Boolean).join(" ")) });
      for (const path of this.view === "spectrum" ? shown : []) {
        const { data, dtype } = arrayOf(value, path);
        if (data.length / (dtype.startsWith("c") ? 2 : 1) > MOST) cuts.push(`${name}: the spectrum is of the first ${MOST} elements`);
        else if (data.some((one) => !Number.isFinite(Number(one)))) cuts.push(`${name}: no spectrum, because an element is not finite`);
      }
    }
    if (this.view === "image" && this.sources.length > 1) cuts.push(`the image is of ${oneLine(this.sources[0].name)} alone`);
    if (this.lines.length >= LINES) cuts.push(`a panel has at most ${LINES} lines`);
    const { shown } = this.plot ?? {};
    // A full series has lost its oldest points.
    const short = this.lines.filter(({ series }) => series && series.start && series.times[series.start % series.size] > shown[0]).map(({ series }) => shown[1] - series.times[series.start % series.size]);
    if (short.length) cuts.push(`only the newest ${Math.max(0, Math.min(...short)).toFixed(0)} s of ${(shown[1] - shown[0]).toFixed(0)} s are kept of ${short.length} ${short.length === 1 ? "line" : "lines"}: the page has room for no more points`);
    this.cuts.textContent = cuts.join("; ");
    const made = JSON.stringify(options.map(({ text }) => text));
    if (this.offered === made) return void (this.choice.hidden = !options.length);
    this.offered = made;
    this.options = options;
    this.choice.hidden = !options.length;
    this.choice.replaceChildren(element("option", this.view === "image" ? "Another array…" : "Show more…", { value: "" }), ...options.map(({ text }) => element("option", text)));
  }
  choose(option) {
    this.choice.selectedIndex = 0;
    if (!option) return;
    const { source, paths } = option;
    const before = this.view === "time" ? source.paths : this.view === "image" ? [] : this.shownOf(source, this.newest.get(source.name).value);
    source.fields = [...before, ...paths].slice(0, LINES);
    this.looked = -Infinity;
    this.page.changed();
    // Existing lines continue. A recording restarts, because it has earlier points for new lines.
    if (this.view === "time" && !this.page.player) source.paths = [...source.fields];
    else this.show(this.view);
  }

  /** The shown data as a table. */
  table() {
    return table(this);
  }
  end() {
    this.subscription?.close();
    this.root.remove();
  }
}

export { suits };
