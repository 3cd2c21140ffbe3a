// Panels: what a name publishes, as numbers against time, a line, a spectrum, an image, a tree or a log; several names in one.
import { Plot, Series, UNKNOWN, clock, colour } from "/plot.js";
import { arrayOf, at, cell, digits, firstArray, isPicture, leaves, line, number, numbers, oneLine, severalLines, suits, units } from "/values.js";

export const VIEWS = { time: "Against time", line: "Line", spectrum: "Spectrum", image: "Image", tree: "Tree", log: "Log" };
/** Fields of a map that are drawn unless others are chosen, and lines of a panel. */
const FIELDS = 6;
const LINES = 128;
const LOG = 500;
const NODES = 500;

/** An element with a text, which may be of a program. */
function element(name, text, more = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = oneLine(text);
  return Object.assign(made, more);
}

/** The colours of an image, from low to high. */
const SCALE = Uint32Array.from({ length: 256 }, (_, at) => {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const place = (at / 255) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [r, g, b] = stops[low].map((part, channel) => Math.round(part + (stops[low + 1][channel] - part) * (place - low)));
  return (255 << 24) | (b << 16) | (g << 8) | r;
});

/** What the clock of the page lacks to the time of messages: those that come soonest tell it, and of late ones the last. */
function offset(before, time) {
  const now = time - performance.now() / 1000;
  return before === undefined || now > before || now < before - 2 ? now : before;
}

export class Panel {
  /** `page`: the connection, the span, whether it pauses, the cursor that all panels share. */
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
    this.pauseButton = button("Pause", "Pause this panel", () => this.pause(!this.isPaused));
    button("Whole", "Show the whole again, without zoom", () => this.zoom(undefined));
    button("PNG", "Save what is shown as a picture", () => this.png());
    button("CSV", "Save what is shown as a table", () => this.csv());
    button("Close", "Close this panel", () => page.close(this));
    this.body = this.root.appendChild(element("div"));
    this.legend = this.root.appendChild(element("ul", undefined, { className: "legend" }));
    this.losses = this.root.appendChild(element("p", undefined, { className: "missed" }));
    for (const source of sources) this.addSource(source);
    this.show(view);
  }
  /** What stands for it in the address. */
  get text() {
    return [this.view, ...this.sources.map(({ name, fields }) => (fields ? `${name}!${fields.join("!")}` : name))].join("~");
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
  /** Begins anew with another connection, or at another time of a recording. */
  renew() {
    for (const source of this.sources) this.ask(source);
    for (const source of this.sources) Object.assign(source, { wasCut: false, incarnation: undefined, lacks: false });
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
    this.body.replaceChildren();
    this.legend.replaceChildren();
    this.plot = undefined;
    this.isChanged = true;
    const all = this.sources.map(({ name }) => name);
    const names = oneLine(all.length > 4 ? `${all[0]} and ${all.length - 1} others` : all.join(", "));
    this.title.textContent = names;
    this.title.title = oneLine(all.join(", "));
    this.root.setAttribute("aria-label", `${VIEWS[view]}: ${names}`);
    if (["time", "line", "spectrum"].includes(view)) this.makePlot();
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
  /** Against time every message counts; of others the newest. */
  subscribe() {
    if (!this.page.lab || !this.sources.length) return;
    const every = this.view === "time" || this.view === "log";
    const options = every ? { credit: 2048, events: true } : { latest: true, rate: 30 };
    const subscription = (this.subscription = this.page.lab.subscribe(this.sources.map(({ name }) => name), options));
    (async () => {
      for await (const event of subscription) if (subscription === this.subscription) this.happened(event);
    })().catch((error) => (this.losses.textContent = oneLine(error.message)));
  }
  /** Where another program has taken the name while the connection was lost, nothing tells what was published meanwhile. */
  happened(event) {
    if (event.type === "disconnected") for (const source of this.sources) source.wasCut = true;
    else if (event.type === "joined") {
      const source = this.sources.find((one) => one.name === event.name);
      if (!source) return;
      if (source.wasCut && source.incarnation !== undefined && source.incarnation !== event.incarnation) source.lacks = true;
      Object.assign(source, { wasCut: false, incarnation: event.incarnation });
    } else if (event.type === undefined || event.type === "message") this.take(event);
  }
  pause(isPaused) {
    this.isPaused = isPaused;
    this.pauseButton.setAttribute("aria-pressed", isPaused);
    this.held = isPaused ? this.now() : undefined;
    if (!isPaused) this.zoom(undefined);
  }
  /** The time of what comes: it goes on between messages, and is behind where they come late. */
  now() {
    if (this.page.player) return this.page.player.position;
    return this.offset === undefined ? Date.now() / 1000 : performance.now() / 1000 + this.offset;
  }
  zoom(range) {
    if (this.plot) this.plot.zoom = range;
    if (this.plot) this.plot.drawn = undefined;
    this.isChanged = true;
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
    const lacks = source?.lacks ? UNKNOWN : missed;
    if (source?.lacks) {
      source.lacks = false;
      this.losses.textContent = `the connection was lost, and another program has ${oneLine(name)} since: how many messages are missed before ${clock(time)} is not known`;
    }
    if (this.view === "time") return this.takeNumbers(source, value, time, lacks);
    if (this.view === "log") return this.takeText(name, value, time, lacks);
    if (this.isPaused || this.page.isPaused) return;
    this.newest.set(name, { value, time });
    this.isChanged = true;
  }
  takeNumbers(source, value, time, missed) {
    if (!source) return;
    const { name } = source;
    source.paths ??= source.fields ?? numbers(value).slice(0, FIELDS);
    for (const path of source.paths) {
      let found = source.lines?.get(path);
      if (!found) {
        if (this.lines.length >= LINES) break;
        found = this.addLine(path ? `${name} ${path}` : name, source, path);
        found.series = new Series();
        (source.lines ??= new Map()).set(path, found);
      }
      found.series.push(time, number(at(value, path)) ?? NaN, missed);
    }
    this.isChanged = true;
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
  /** The unit of a line, as it is shown. */
  unitOf({ source, path }) {
    return line(source.units.get(path) ?? "", 40);
  }
  takeText(name, value, time, missed) {
    if (this.isPaused || this.page.isPaused) return;
    const isAtEnd = this.body.scrollTop + this.body.clientHeight >= this.body.scrollHeight - 30;
    if (missed) this.body.append(element("p", missed === UNKNOWN ? "the connection was lost: how many are missed is not known" : `${missed} missed`, { className: "missed" }));
    const row = this.body.appendChild(element("p"));
    row.append(element("time", clock(time)));
    // The further lines of a text are indented: they do not look like texts of their own.
    const text = typeof value === "string" ? severalLines(value.length > 2000 ? `${value.slice(0, 2000)}…` : value) : line(value, 2000);
    row.append(`${this.sources.length > 1 ? `${oneLine(name)}: ` : ""}${text}`);
    row.saved = `${this.sources.length > 1 ? `${name}: ` : ""}${typeof value === "string" ? value.slice(0, 10000) : text}`;
    while (this.body.childElementCount > LOG) this.body.firstElementChild.remove();
    if (isAtEnd) this.body.scrollTop = this.body.scrollHeight;
  }

  makePlot() {
    this.body.className = "layers";
    this.body.removeAttribute("aria-label");
    this.body.removeAttribute("role");
    this.body.removeAttribute("tabindex");
    for (const source of this.sources) source.lines = source.paths = undefined;
    this.plot = new Plot(this.body, this.view);
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
      if (from !== undefined && Math.abs(to - from) > 4) this.choose(Math.min(from, to), Math.max(from, to));
      from = undefined;
    };
    top.onpointerleave = () => from === undefined && this.page.point(this, undefined);
    top.ondblclick = () => this.zoom(undefined);
    top.onkeydown = (event) => this.key(event);
  }
  choose(left, right) {
    const { plot } = this;
    const range = [plot.under(left), plot.under(right)];
    this.zoom(plot.kind === "spectrum" ? range.map((one) => Math.log10(Math.max(one, 1))) : range);
  }
  key(event) {
    const { plot, page } = this;
    const [low, high] = plot.shown ?? [0, 1];
    const size = high - low;
    const middle = page.cursor ?? (low + high) / 2;
    const actions = {
      ArrowLeft: () => page.point(this, (page.cursor ?? high) - size / 50),
      ArrowRight: () => page.point(this, (page.cursor ?? low) + size / 50),
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

  /** Draws what has changed. */
  draw() {
    if (this.plot && this.view === "time") {
      const isHeld = this.isPaused || this.page.isPaused;
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
  drawLines() {
    for (const source of this.sources) {
      const got = this.newest.get(source.name);
      if (!got) continue;
      const path = source.fields?.[0] ?? firstArray(got.value);
      const array = path === undefined ? null : arrayOf(got.value, path);
      source.one ??= this.lines.find((one) => one.source === source) ?? this.addLine(source.name, source, path ?? "");
      if (!this.lines.includes(source.one)) source.one = this.addLine(source.name, source, path ?? "");
      source.one.data = array?.data;
    }
    this.plot.drawArrays(this.lines);
  }
  drawPicture() {
    const got = this.newest.get(this.sources[0].name);
    const path = got && (this.sources[0].fields?.[0] ?? firstArray(got.value));
    const array = path === undefined ? null : arrayOf(got.value, path);
    if (!array || !isPicture(array)) {
      this.note.textContent = got ? `no image: ${line(got.value, 100)}` : "";
      return;
    }
    const isTurned = array.order === "column";
    const [height, width, channels] = array.shape;
    const { data } = array;
    if (this.canvas.width !== width || this.canvas.height !== height || !this.image) {
      Object.assign(this.canvas, { width, height });
      this.image = this.canvas.getContext("2d").createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    const { pixels } = this;
    let [low, high] = [Infinity, -Infinity];
    if (channels) {
      const place = isTurned ? (row, column, channel) => row + height * (column + width * channel) : (row, column, channel) => (row * width + column) * channels + channel;
      for (let at = 0, row = 0; row < height; row++) for (let column = 0; column < width; column++, at++) pixels[at] = (255 << 24) | (data[place(row, column, 2)] << 16) | (data[place(row, column, 1)] << 8) | data[place(row, column, 0)];
      [low, high] = [0, 255];
    } else {
      for (let at = 0; at < data.length; at++) {
        const value = Number(data[at]);
        if (value < low) low = value;
        if (value > high && value !== Infinity) high = value;
      }
      const factor = 255 / (high - low || 1);
      if (isTurned) for (let row = 0, at = 0; row < height; row++) for (let column = 0; column < width; column++) pixels[at++] = SCALE[((Number(data[column * height + row]) - low) * factor) | 0];
      else if (typeof data[0] === "bigint") for (let at = 0; at < pixels.length; at++) pixels[at] = SCALE[((Number(data[at]) - low) * factor) | 0];
      else for (let at = 0; at < pixels.length; at++) pixels[at] = SCALE[((data[at] - low) * factor) | 0];
    }
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    this.array = array;
    this.bounds = [low, high];
    this.pictures = (this.pictures ?? 0) + 1;
    this.drawScale();
  }
  drawScale() {
    const text = this.bounds.map(digits).join();
    if (this.scaleText === text) return;
    this.scaleText = text;
    const context = this.scale.getContext("2d");
    const image = context.createImageData(32, 480);
    const pixels = new Uint32Array(image.data.buffer);
    for (let at = 0; at < pixels.length; at++) pixels[at] = SCALE[255 - Math.floor((at >> 5) * (255 / 479))];
    context.clearRect(0, 0, 176, 480);
    context.putImageData(image, 0, 0);
    context.fillStyle = getComputedStyle(this.root).getPropertyValue("--soft");
    context.font = "24px system-ui, sans-serif";
    // A number that is longer than the column is written narrower.
    context.fillText(digits(this.bounds[1]), 40, 22, 132);
    context.fillText(digits(this.bounds[0]), 40, 474, 132);
  }
  drawTree() {
    const list = element("ul");
    let nodes = 0;
    const grow = (value, into, depth) => {
      for (const [key, part] of Object.entries(value)) {
        if (++nodes > NODES) return void (nodes === NODES + 1 && into.append(element("li", "…")));
        const isMap = typeof part === "object" && part !== null && (Array.isArray(part) || Object.getPrototypeOf(part) === Object.prototype);
        const item = into.appendChild(element("li", isMap && depth < 8 ? line(key) : `${line(key)}: ${line(part)}`));
        if (isMap && depth < 8) grow(part, item.appendChild(element("ul")), depth + 1);
      }
    };
    for (const { name } of this.sources) {
      const got = this.newest.get(name);
      if (!got) continue;
      const value = got.value;
      const isMap = typeof value === "object" && value !== null && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);
      if (isMap && this.sources.length === 1) grow(value, list, 0);
      else grow({ [name]: value }, list, 0);
    }
    this.body.replaceChildren(list);
  }

  /** Says the values at the cursor, or the newest, beside the picture and to who cannot see it. */
  say() {
    const { cursor } = this.page;
    if (this.view === "image") {
      if (!this.array) return;
      const [row, column] = this.spot ?? [];
      const { shape, dtype } = this.array;
      const pixel = () => (shape.length === 3 ? Array.from({ length: shape[2] }, (_, channel) => this.array.at(row, column, channel)).join(" ") : digits(this.array.at(row, column)));
      const isInside = row >= 0 && row < shape[0] && column >= 0 && column < shape[1];
      this.note.textContent = `${dtype} ${shape.join(" × ")}, ${digits(this.bounds[0])} to ${digits(this.bounds[1])}${isInside ? `; row ${row}, column ${column}: ${pixel()}` : ""}`;
      this.canvas.setAttribute("aria-label", `Image of ${oneLine(this.sources[0].name)}: ${this.note.textContent}`);
      return;
    }
    if (!this.plot) return;
    const texts = [];
    for (const one of this.lines) {
      const { text: label, series, data, shown } = one;
      let value;
      if (series) value = cursor === undefined ? series.values[(series.end - 1 + series.size) % series.size] : series.valueAt(cursor);
      else if (data && cursor !== undefined) value = data[Math.round(cursor)];
      const unit = this.unitOf(one);
      const text = value === undefined ? (data ? `${data.length} elements` : "") : `${digits(value)} ${unit}`;
      if (shown.value !== text) shown.value = text;
      if (texts.length < 12) texts.push(`${label} ${text}`);
    }
    const place = cursor === undefined ? "newest values" : `at ${this.view === "time" ? clock(cursor) : Math.round(cursor)}`;
    this.plot.top.setAttribute("aria-label", `${VIEWS[this.view]}, ${place}: ${texts.join(", ")}`);
    this.plot.point(cursor);
  }

  file(name, blob) {
    const link = element("a", undefined, { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
  get fileName() {
    return `${this.sources.map(({ name }) => name.replaceAll(/[^\w.-]/g, "_")).join("-").slice(0, 80)}-${this.view}`;
  }
  png() {
    const layers = this.plot ? this.plot.layers : this.view === "image" ? [this.canvas] : [];
    if (!layers.length) return void (this.losses.textContent = "This view has no picture: use CSV.");
    const all = element("canvas", undefined, { width: layers[0].width, height: layers[0].height });
    const context = all.getContext("2d");
    context.fillStyle = getComputedStyle(this.root).backgroundColor;
    context.fillRect(0, 0, all.width, all.height);
    for (const layer of layers) context.drawImage(layer, 0, 0);
    all.toBlob((blob) => this.file(`${this.fileName}.png`, blob));
  }
  csv() {
    this.file(`${this.fileName}.csv`, new Blob([this.table()], { type: "text/csv" }));
  }
  /** What is shown, as a table. */
  table() {
    const rows = [];
    if (this.view === "time") {
      rows.push(["time", "name", "value", "missed"]);
      const [low, high] = this.plot.shown ?? [0, Infinity];
      for (const { series, label, visible } of this.lines) {
        if (!visible) continue;
        for (let place = series.find(low); place < series.end && series.times[place % series.size] <= high; place++) {
          const one = place % series.size;
          rows.push([series.times[one], label, series.values[one], series.missed[one] === UNKNOWN ? "unknown" : series.missed[one]]);
        }
      }
    } else if (this.plot) {
      const lines = this.lines.filter(({ visible, data }) => visible && data);
      rows.push(["index", ...lines.map(({ label }) => label)]);
      const most = Math.max(0, ...lines.map(({ data }) => data.length));
      for (let place = 0; place < most; place++) rows.push([place, ...lines.map(({ data }) => data[place] ?? "")]);
    } else if (this.view === "image" && this.array) {
      const [height, width, channels] = this.array.shape;
      for (let row = 0; row < height; row++) rows.push(Array.from({ length: width }, (_, column) => (channels ? [0, 1, 2].map((channel) => this.array.at(row, column, channel)).join(" ") : this.array.at(row, column))));
    } else if (this.view === "log") {
      rows.push(["time", "text"]);
      for (const row of this.body.children) rows.push([row.querySelector("time")?.textContent ?? "", row.saved ?? row.textContent]);
    } else {
      rows.push(["name", "path", "value"]);
      for (const [name, { value }] of this.newest ?? []) for (const [path, leaf] of leaves(value)) rows.push([name, path, leaf]);
    }
    return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  }
  end() {
    this.subscription?.close();
    this.root.remove();
  }
}

export { suits };
