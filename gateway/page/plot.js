// Lines on a canvas: numbers against time, which scroll, or arrays against their index. Two layers, axes and data, and above them the cursor. What has been drawn of a scrolling plot is shifted,
// and only what is new is drawn: many names at a high rate cost little.
const LEFT = 62;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

/** As many messages were missed as nothing tells. */
export const UNKNOWN = 0xffffffff;

/** Numbers of a name against time: the newest `size` of them, and where some were missed. */
export class Series {
  constructor(size = 32768) {
    this.size = size;
    this.times = new Float64Array(size);
    this.values = new Float64Array(size);
    this.missed = new Uint32Array(size);
    /** How many there were: the place of the next. */
    this.end = 0;
  }
  get start() {
    return Math.max(0, this.end - this.size);
  }
  push(time, value, missed) {
    const at = this.end++ % this.size;
    this.times[at] = time;
    this.values[at] = value;
    this.missed[at] = Math.min(missed, UNKNOWN);
  }
  /** The place of the first one at or after a time. */
  find(time) {
    let [low, high] = [this.start, this.end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle % this.size] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  /** The value at a time, or the one before it. */
  valueAt(time) {
    const place = this.find(time + 1e-9) - 1;
    return place < this.start ? undefined : this.values[place % this.size];
  }
}

/** The colour of a line: as different as possible from its neighbours. */
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

const rounded = (value, step) => (Math.abs(value) >= 1e6 || (step < 1e-4 && step > 0) ? value.toExponential(2) : String(Number(value.toFixed(Math.max(0, Math.min(12, -Math.floor(Math.log10(step))))))));

/** A mark of a logarithmic axis: a power of ten, or the number between two of them. */
const power = (exponent) => (Math.abs(exponent - Math.round(exponent)) < 1e-9 ? `1e${Math.round(exponent)}` : String(Number((10 ** exponent).toPrecision(2))));

export class Plot {
  /** `kind`: time, line, or spectrum, with logarithmic axes. */
  constructor(holder, kind) {
    this.kind = kind;
    this.holder = holder;
    this.layers = ["axes", "data"].map(() => holder.appendChild(document.createElement("canvas")));
    // No third canvas: what the pointer touches has two boxes, which cost nothing where nothing is selected.
    this.top = holder.appendChild(document.createElement("div"));
    [this.cross, this.chosen] = ["cross", "chosen"].map((className) => this.top.appendChild(Object.assign(document.createElement("div"), { className, hidden: true })));
    this.contexts = this.layers.map((canvas) => canvas.getContext("2d"));
    this.range = undefined;
    /** The part that is shown where it is not the newest: times, or indices. */
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
    return LEFT + ((this.scaled(at, "x") - low) / (high - low || 1)) * this.inner;
  }
  y(value) {
    const [low, high] = this.range;
    return TOP + (1 - (this.scaled(value, "y") - low) / (high - low || 1)) * (this.height - TOP - BOTTOM);
  }
  scaled(value) {
    return this.kind === "spectrum" ? Math.log10(Math.max(value, 1e-300)) : value;
  }
  /** The time or index below a place of the screen. */
  under(x) {
    const [low, high] = this.shown ?? [0, 1];
    const at = low + ((x - LEFT) / this.inner) * (high - low);
    return this.kind === "spectrum" ? 10 ** at : at;
  }

  /** Draws lines against time: `now` is the right edge, `span` how much is shown. */
  drawTime(lines, now, span) {
    const pixel = span / (this.inner * this.ratio);
    const edge = Math.floor(now / pixel) * pixel;
    this.shown = this.zoom ?? [edge - span, edge];
    const isNew = this.scaleTime(lines);
    const last = this.drawn;
    const shift = last ? Math.round((edge - last.edge) / pixel) : 0;
    // The edge goes back where messages come late.
    const isNear = shift >= 0 && shift < this.layers[1].width;
    const canScroll = last && isNear && !isNew && !this.zoom && !last.zoom && last.span === span && last.count === lines.length && last.pixel === pixel;
    const isSame = last && !isNew && this.zoom && last.zoom === this.zoom && last.count === lines.length && !this.isStale;
    // Lines scroll each frame, and the marks of the axis a few times a second.
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
    data.strokeStyle = colour;
    data.beginPath();
    let isDown = false;
    const marks = [];
    // Of many in one column the least and the greatest are drawn.
    let column = -1;
    let low = 0;
    let high = 0;
    let y = 0;
    for (let place = from; place < end; place++) {
      const at = place % size;
      if (this.zoom && times[at] > limit) break;
      const x = this.x(times[at]);
      if (missed[at] && place > from) {
        isDown = false;
        marks.push(x);
      }
      y = this.y(values[at]);
      if (Number.isNaN(y)) {
        isDown = false;
        continue;
      }
      const whole = Math.floor(x * 2);
      if (whole === column && isDown) {
        if (y < low) low = y;
        if (y > high) high = y;
        const next = place + 1 < end ? Math.floor(this.x(times[(place + 1) % size]) * 2) : -2;
        if (next === whole) continue;
        data.lineTo(x, low);
        data.lineTo(x, high);
        data.lineTo(x, y);
        continue;
      }
      column = whole;
      low = high = y;
      if (isDown) data.lineTo(x, y);
      else data.moveTo(x - 0.5, y), data.lineTo(x, y);
      isDown = true;
    }
    data.stroke();
    if (!marks.length) return;
    data.strokeStyle = this.style.bad;
    data.beginPath();
    for (const x of marks) data.moveTo(x, TOP), data.lineTo(x, this.height - BOTTOM);
    data.setLineDash([2, 3]);
    data.stroke();
    data.setLineDash([]);
  }
  /** Sets the range of values; returns whether it has changed. */
  scaleTime(lines) {
    const now = performance.now();
    const before = this.range;
    // All are looked at now and then, and those that are new always.
    const all = !before || this.zoom || !this.drawn || now - (this.scaledAt ?? 0) > 1000;
    let [low, high] = [Infinity, -Infinity];
    for (const [at, { series, visible }] of lines.entries()) {
      if (!visible) continue;
      const from = all ? series.find(this.shown[0]) : Math.max(series.start, this.drawn.ends[at] ?? 0);
      for (let place = from; place < series.end; place++) {
        const value = series.values[place % series.size];
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (all) this.scaledAt = now;
    if (!(low <= high) || !Number.isFinite(low) || !Number.isFinite(high)) {
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

  /** Draws arrays against their index. */
  drawArrays(lines) {
    let most = 2;
    let [low, high] = [Infinity, -Infinity];
    const isLog = this.kind === "spectrum";
    for (const { data, visible } of lines) {
      if (!visible || !data) continue;
      most = Math.max(most, data.length);
      for (let at = isLog ? 1 : 0; at < data.length; at++) {
        const value = isLog ? Math.abs(Number(data[at])) : Number(data[at]);
        if (isLog && value === 0) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (!(low <= high)) [low, high] = [isLog ? 1 : 0, isLog ? 10 : 1];
    if (isLog) [low, high] = [Math.max(Math.log10(low), Math.log10(high) - 12), Math.log10(high)];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    this.range = [low - room, high + room];
    this.shown = this.zoom ?? (isLog ? [0, Math.log10(Math.max(most - 1, 10))] : [0, most - 1]);
    this.axes();
    const context = this.contexts[1];
    context.clearRect(0, 0, this.width, this.height);
    context.lineWidth = 1.4;
    for (const { data, visible, colour } of lines) {
      if (!visible || !data) continue;
      context.strokeStyle = colour;
      context.beginPath();
      const first = isLog ? 1 : 0;
      let [column, least, greatest] = [-1, 0, 0];
      for (let at = first; at < data.length; at++) {
        const value = Number(data[at]);
        const [x, y] = [this.x(at), this.y(isLog ? Math.abs(value) : value)];
        const whole = Math.floor(x * 2);
        if (whole === column) {
          least = Math.min(least, y);
          greatest = Math.max(greatest, y);
          continue;
        }
        if (column >= 0) context.lineTo(column / 2, least), context.lineTo(column / 2, greatest);
        [column, least, greatest] = [whole, y, y];
        context.lineTo(x, y);
      }
      if (column >= 0) context.lineTo(column / 2, least), context.lineTo(column / 2, greatest);
      context.stroke();
    }
    context.clearRect(0, 0, LEFT, this.height);
  }

  axes() {
    const [context] = this.contexts;
    this.axesAt = performance.now();
    context.clearRect(0, 0, this.width, this.height);
    context.strokeStyle = this.style.line;
    context.fillStyle = this.style.soft;
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    const isLog = this.kind === "spectrum";
    const [values, step] = steps(...this.range, 5);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.beginPath();
    for (const value of values) {
      const y = Math.round(TOP + (1 - (value - this.range[0]) / (this.range[1] - this.range[0])) * (this.height - TOP - BOTTOM)) + 0.5;
      context.moveTo(LEFT, y);
      context.lineTo(this.width - RIGHT, y);
      context.fillText(isLog ? power(value) : rounded(value, step), LEFT - 6, y);
    }
    const [low, high] = this.shown;
    const [places, stride] = steps(low, high, Math.max(2, this.inner / 110));
    context.textAlign = "center";
    for (const place of places) {
      const x = Math.round(LEFT + ((place - low) / (high - low)) * this.inner) + 0.5;
      context.moveTo(x, TOP);
      context.lineTo(x, this.height - BOTTOM);
      const text = this.kind === "time" ? clock(place, stride) : isLog ? power(place) : rounded(place, stride);
      context.fillText(text, Math.min(x, this.width - 30), this.height - BOTTOM / 2);
    }
    context.stroke();
    if (this.unit) {
      context.textAlign = "left";
      context.fillText(this.unit, LEFT + 4, TOP + 8);
    }
  }
  /** Shows the cross-hair at a time or index, and what is being selected. */
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

// Made once: a formatter costs a thousand times what it writes.
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** A time of the day, as exact as the steps are. */
export function clock(seconds, step = 0.001) {
  const text = CLOCK.format(seconds * 1000);
  if (step >= 1) return text;
  const part = Math.abs(seconds % 1).toFixed(step < 0.01 ? 3 : step < 0.1 ? 2 : 1).slice(1);
  return text + part;
}
