// Lines on canvases: numbers against time, which scroll, or arrays against their index. One layer has the axes, one
// the data, and one the cursor. A scrolling plot shifts its pixels and draws only new points, which keeps many fast
// names cheap.
import { RESTARTED } from "/series.js";

const LEFT = 62;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

/** A line's colour. Neighbours differ as much as possible. */
export function colour(index) {
  const hue = (210 + index * 137.5) % 360;
  return `hsl(${hue} 70% ${matchMedia("(prefers-color-scheme: dark)").matches ? 65 : 42}%)`;
}

/** Steps of an axis: 1, 2 or 5 times a power of ten. */
function steps(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high && found.length < 50; at++) found.push(at * step);
  return [found, step];
}

/** Formats a number with enough digits to distinguish neighbours. */
function rounded(value, step) {
  if (value === 0) return "0";
  const [size, fine] = [value, step].map((one) => Math.floor(Math.log10(Math.abs(one)) + 1e-9));
  if (Math.abs(value) < 1e6 && step >= 1e-4) return String(Number(value.toFixed(Math.max(0, -fine))));
  return value.toExponential(Math.min(Math.max(0, size - fine), 20));
}

/** The labels of an axis. If they are too long, their common part is shown separately. */
export function marks(values, step, most) {
  const texts = values.map((one) => rounded(one, step));
  if (texts.every((text) => text.length <= most)) return [texts, ""];
  const [base] = values;
  return [values.map((one) => `+${rounded(Number((one - base).toPrecision(12)), step)}`), `${Number(base.toPrecision(15))} +`];
}

const scaled = (value, isLog) => (isLog ? Math.log10(Math.max(value, 1e-300)) : value);

/** A label of a logarithmic axis: a power of ten, or the number between two powers. */
const power = (exponent) => (Math.abs(exponent - Math.round(exponent)) < 1e-9 ? `1e${Math.round(exponent)}` : String(Number((10 ** exponent).toPrecision(2))));

/** A path of many points. It draws the minimum and maximum of each pixel column and leaves gaps open. */
class Trace {
  constructor(context) {
    this.context = context;
    this.isDown = this.isMore = false;
  }
  point(x, y) {
    const column = Math.floor(x * 2);
    if (this.isDown && column === this.column) {
      if (y < this.low) this.low = y;
      if (y > this.high) this.high = y;
      this.last = y;
      this.isMore = true;
      return;
    }
    this.flush();
    this.isAlone = !this.isDown;
    if (!this.isDown) this.context.moveTo(x - 0.5, y);
    this.context.lineTo(x, y);
    this.column = column;
    this.x = x;
    this.low = this.high = this.last = y;
    this.isDown = true;
  }
  flush() {
    if (!this.isMore) return;
    for (const y of [this.low, this.high, this.last]) this.context.lineTo(this.x, y);
    this.isMore = false;
  }
  /** A point between two gaps is drawn as a short dash, to be visible. */
  gap() {
    this.flush();
    if (this.isDown && this.isAlone) this.context.moveTo(this.x - 2, this.last), this.context.lineTo(this.x + 2, this.last);
    this.isDown = false;
  }
}

/** Positions of non-finite numbers; at most one of each kind within 4 pixels. */
class Odd {
  places = [];
  last = new Map();
  add(x, value) {
    if (x - (this.last.get(value) ?? -9) < 4) return;
    this.last.set(value, x);
    this.places.push([x, value]);
  }
  /** Draws an infinity as a triangle at its edge of the plot, and NaN as a cross. */
  draw(context, colour, bottom) {
    context.fillStyle = colour;
    context.beginPath();
    for (const [x, value] of this.places) {
      if (Number.isNaN(value)) for (const way of [-3, 3]) context.moveTo(x - way, bottom - 13), context.lineTo(x + way, bottom - 7);
      else {
        const [edge, to] = value > 0 ? [TOP, TOP + 6] : [bottom, bottom - 6];
        context.moveTo(x, edge), context.lineTo(x - 4, to), context.lineTo(x + 4, to), context.closePath();
      }
    }
    context.fill();
    context.stroke();
  }
}

export class Plot {
  /** `kind`: time, line, logarithmic (both axes) or spectrum (magnitude axis). */
  constructor(holder, kind) {
    this.kind = kind;
    this.isLogX = kind === "logarithmic";
    this.isLogY = this.isLogX || kind === "spectrum";
    this.holder = holder;
    this.layers = ["axes", "data"].map(() => holder.appendChild(document.createElement("canvas")));
    // Two boxes instead of a third canvas, because they cost nothing while nothing is selected.
    this.top = holder.appendChild(document.createElement("div"));
    [this.cross, this.chosen] = ["cross", "chosen"].map((className) => this.top.appendChild(Object.assign(document.createElement("div"), { className, hidden: true })));
    this.contexts = this.layers.map((canvas) => canvas.getContext("2d"));
    this.range = undefined;
    /** The selected range of times or indices; undefined shows the newest. */
    this.zoom = undefined;
    this.cursor = undefined;
    this.drawn = undefined;
    this.unit = "";
    new ResizeObserver(() => this.resize()).observe(holder);
    this.resize();
  }
  resize() {
    const ratio = devicePixelRatio || 1;
    this.width = Math.max(this.holder.clientWidth, 120);
    this.height = Math.max(this.holder.clientHeight, 80);
    for (const [at, canvas] of this.layers.entries()) {
      canvas.width = this.width * ratio;
      canvas.height = this.height * ratio;
      this.contexts[at].setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.ratio = ratio;
    this.drawn = this.pointed = undefined;
    const style = getComputedStyle(this.holder);
    this.style = Object.fromEntries(["line", "soft", "accent", "bad"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
  }
  get inner() {
    return this.width - LEFT - RIGHT;
  }
  x(at) {
    const [low, high] = this.shown;
    return LEFT + ((scaled(at, this.isLogX) - low) / (high - low || 1)) * this.inner;
  }
  y(value) {
    const [low, high] = this.range;
    return TOP + (1 - (scaled(value, this.isLogY) - low) / (high - low || 1)) * (this.height - TOP - BOTTOM);
  }
  /** The time or index at a screen position. */
  under(x) {
    const [low, high] = this.shown ?? [0, 1];
    const at = low + ((x - LEFT) / this.inner) * (high - low);
    return this.isLogX ? 10 ** at : at;
  }

  /** Draws lines against time: `now` is the right edge, `span` the visible length. */
  drawTime(lines, now, span) {
    const pixel = span / (this.inner * this.ratio);
    const edge = Math.floor(now / pixel) * pixel;
    this.shown = this.zoom ?? [edge - span, edge];
    const isNew = this.scaleTime(lines);
    const last = this.drawn;
    const shift = last ? Math.round((edge - last.edge) / pixel) : 0;
    // The edge moves back if messages come late.
    const isNear = shift >= 0 && shift < this.layers[1].width;
    const canScroll = last && isNear && !isNew && !this.zoom && !last.zoom && last.span === span && last.count === lines.length && last.pixel === pixel;
    const isSame = last && !isNew && this.zoom && last.zoom === this.zoom && last.count === lines.length && !this.isStale;
    // Lines scroll in each frame, axis labels a few times a second.
    const at = performance.now();
    if (!canScroll ? !isSame : shift && at - this.axesAt > 150) this.axes();
    const [, data] = this.contexts;
    const { height } = this.layers[1];
    if (canScroll && shift > 0) {
      data.save();
      data.setTransform(1, 0, 0, 1, 0, 0);
      data.globalCompositeOperation = "copy";
      data.drawImage(this.layers[1], -shift, 0);
      data.restore();
      data.clearRect(0, 0, LEFT, this.height);
    } else if (!canScroll && !isSame) data.clearRect(0, 0, this.width, this.height);
    data.lineWidth = 1.4;
    data.lineJoin = "round";
    for (const [at, line] of lines.entries()) {
      if (!line.visible) continue;
      const { series } = line;
      let from = canScroll || isSame ? last.ends[at] : series.find(this.shown[0]);
      if (from >= series.end) continue;
      this.stroke(data, line, Math.max(series.start, from - 1), series.end);
    }
    if (!canScroll) data.clearRect(0, 0, LEFT, height);
    this.drawn = { edge, span, pixel, zoom: this.zoom, count: lines.length, ends: lines.map(({ series }) => series.end) };
    this.isStale = false;
  }
  stroke(data, { series, colour }, from, end) {
    const { times, values, missed, size } = series;
    const limit = this.shown[1];
    const bottom = this.height - BOTTOM;
    data.strokeStyle = colour;
    data.beginPath();
    const trace = new Trace(data);
    const odd = new Odd();
    const gaps = [];
    for (let place = from; place < end; place++) {
      const at = place % size;
      if (this.zoom && times[at] > limit) break;
      const x = this.x(times[at]);
      if (missed[at] && place > from) {
        trace.gap();
        gaps.push([x, missed[at]]);
      }
      const value = values[at];
      if (Number.isFinite(value)) trace.point(x, this.y(value));
      else {
        trace.gap();
        if (series.exact.get(place) !== null) odd.add(x, value);
      }
    }
    trace.flush();
    data.stroke();
    if (odd.places.length) odd.draw(data, colour, bottom);
    if (!gaps.length) return;
    data.setLineDash([2, 3]);
    for (const isRestart of [false, true]) {
      data.strokeStyle = isRestart ? this.style.soft : this.style.bad;
      data.beginPath();
      for (const [x, count] of gaps) if ((count === RESTARTED) === isRestart) data.moveTo(x, TOP), data.lineTo(x, bottom);
      data.stroke();
    }
    data.setLineDash([]);
  }
  /** Sets the range of values; returns whether it changed. */
  scaleTime(lines) {
    const now = performance.now();
    const before = this.range;
    // Scans all points once a second, and new points always.
    const all = !before || this.zoom || !this.drawn || now - (this.scaledAt ?? 0) > 1000;
    let [low, high] = [Infinity, -Infinity];
    for (const [at, { series, visible }] of lines.entries()) {
      if (!visible) continue;
      const from = all ? series.find(this.shown[0]) : Math.max(series.start, this.drawn.ends[at] ?? 0);
      for (let place = from; place < series.end; place++) {
        const value = series.values[place % series.size];
        if (value < low && value !== -Infinity) low = value;
        if (value > high && value !== Infinity) high = value;
      }
    }
    if (all) this.scaledAt = now;
    if (!(low <= high)) {
      this.range ??= [0, 1];
      return !before;
    }
    const size = high - low || Math.abs(high) * 0.1 || 1;
    const fits = before && low >= before[0] && high <= before[1];
    if (fits && (!all || before[1] - before[0] < size * 3)) return false;
    if (before && !all) [low, high] = [Math.min(low, before[0] + size * 0.05), Math.max(high, before[1] - size * 0.05)];
    this.range = [low - size * 0.15, high + size * 0.15];
    return true;
  }

  /** Draws arrays against their index, or against `first` plus multiples of `step`. */
  drawArrays(lines) {
    const shown = lines.filter(({ data, visible }) => visible && data?.length);
    const floor = this.isLogX ? 1 : 0;
    const number = this.isLogY ? (value) => Math.abs(Number(value)) : Number;
    let [left, right] = [Infinity, -Infinity];
    let [low, high] = [Infinity, -Infinity];
    for (const { data, first = 0, step = 1 } of shown) {
      left = Math.min(left, first);
      right = Math.max(right, first + (data.length - 1) * step);
      for (let at = floor; at < data.length; at++) {
        const value = number(data[at]);
        if (this.isLogY && value === 0) continue;
        if (value < low && value !== -Infinity) low = value;
        if (value > high && value !== Infinity) high = value;
      }
    }
    if (!(low <= high)) [low, high] = this.isLogY ? [1, 10] : [0, 1];
    if (this.isLogY) [low, high] = [Math.max(Math.log10(low), Math.log10(high) - 12), Math.log10(high)];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    this.range = [low - room, high + room];
    if (!(left < right)) [left, right] = [0, 1];
    this.shown = this.zoom ?? (this.isLogX ? [0, Math.log10(Math.max(right, 10))] : [left, right]);
    this.axes();
    const context = this.contexts[1];
    context.clearRect(0, 0, this.width, this.height);
    context.lineWidth = 1.4;
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, this.inner + RIGHT, this.height - BOTTOM + 1);
    context.clip();
    for (const { data, colour, first = 0, step = 1 } of shown) {
      const trace = new Trace(context);
      const odd = new Odd();
      context.strokeStyle = colour;
      context.beginPath();
      for (let at = floor; at < data.length; at++) {
        const value = number(data[at]);
        const x = this.x(first + at * step);
        if (Number.isFinite(value)) trace.point(x, this.y(value));
        else trace.gap(), odd.add(x, value);
      }
      trace.gap();
      context.stroke();
      odd.draw(context, colour, this.height - BOTTOM);
    }
    context.restore();
  }

  axes() {
    const [context] = this.contexts;
    this.axesAt = performance.now();
    context.clearRect(0, 0, this.width, this.height);
    context.strokeStyle = this.style.line;
    context.fillStyle = this.style.soft;
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    const [values, step] = steps(...this.range, 5);
    const [texts, base] = this.isLogY ? [values.map(power), ""] : marks(values, step, 9);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.beginPath();
    for (const [at, value] of values.entries()) {
      const y = Math.round(TOP + (1 - (value - this.range[0]) / (this.range[1] - this.range[0])) * (this.height - TOP - BOTTOM)) + 0.5;
      context.moveTo(LEFT, y);
      context.lineTo(this.width - RIGHT, y);
      context.fillText(texts[at], LEFT - 6, y);
    }
    const [low, high] = this.shown;
    const [places, stride] = steps(low, high, Math.max(2, this.inner / 110));
    context.textAlign = "center";
    for (const place of places) {
      const x = Math.round(LEFT + ((place - low) / (high - low)) * this.inner) + 0.5;
      context.moveTo(x, TOP);
      context.lineTo(x, this.height - BOTTOM);
      const text = this.kind === "time" ? clock(place, stride) : this.isLogX ? power(place) : rounded(place, stride);
      context.fillText(text, Math.min(x, this.width - 30), this.height - BOTTOM / 2);
    }
    context.stroke();
    this.marks = texts;
    const unit = [base, this.unit].filter(Boolean).join(" ");
    if (!unit && !this.across) return;
    context.textAlign = "left";
    context.fillText(unit, LEFT + 4, TOP + 8);
    context.textAlign = "right";
    context.fillText(this.across ?? "", this.width - RIGHT - 4, this.height - BOTTOM - 8);
  }
  /** Shows the cross-hair at a time or index, and the selection. */
  point(at, selected) {
    const x = at === undefined || !this.shown ? -1 : Math.round(this.x(at));
    const [from, to] = selected ? [Math.min(...selected), Math.max(...selected)] : [0, 0];
    const what = `${x} ${from} ${to}`;
    if (what === this.pointed) return;
    this.pointed = what;
    this.cross.hidden = x < LEFT || x > this.width - RIGHT;
    this.cross.style.transform = `translateX(${x}px)`;
    this.chosen.hidden = !selected;
    Object.assign(this.chosen.style, { transform: `translateX(${from}px)`, width: `${to - from}px` });
  }
}

// Created once: a formatter costs a thousand times more than one formatting.
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** A time of day with the precision of the steps. */
export function clock(seconds, step = 0.001) {
  const text = CLOCK.format(seconds * 1000);
  if (step >= 1) return text;
  const part = Math.abs(seconds % 1).toFixed(step < 0.01 ? 3 : step < 0.1 ? 2 : 1).slice(1);
  return text + part;
}
