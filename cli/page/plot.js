// Numbers over the last minutes: those received, and their line.
import { clock, duration, number } from './values.js';

const LEAST = 60000, SPAN = 300000, MOST = 900; // milliseconds that a line covers; points that are kept
const SVG = 'http://www.w3.org/2000/svg';

// Instants in milliseconds and what the number was; a null where none was received for long.
export class History {
  times = [];
  values = [];
  wanders = false; // it has gone down once, so it is no mere counter

  add(at, value) {
    const last = this.times.at(-1);
    if (last !== undefined && at <= last) return;
    if (last !== undefined && at - last > 15000) this.#push(last + 1, null);
    if (value < this.values.at(-1)) this.wanders = true;
    this.#push(at, Number.isFinite(value) ? value : null);
  }

  #push(at, value) {
    this.times.push(at);
    this.values.push(value);
    let old = 0;
    while (this.times[old] < at - SPAN || this.times.length - old > MOST) old++;
    if (old > 30) { // not at each one: a few invisible ones cost less than moving all
      this.times.splice(0, old);
      this.values.splice(0, old);
    }
  }

  // How many milliseconds are drawn: what was received, within bounds.
  span(now) { return Math.min(Math.max(now - (this.times[0] ?? now), LEAST), SPAN); }

  // Where the line goes in a box of this size, and its least and greatest.
  line(now, width, height, edge) {
    const span = this.span(now), from = now - span, seen = this.values.filter((v, i) => v !== null && this.times[i] >= from);
    if (seen.length === 0) return { path: '', low: NaN, high: NaN };
    const low = Math.min(...seen), high = Math.max(...seen), room = height - 2 * edge;
    const y = v => high > low ? edge + room * (high - v) / (high - low) : height / 2;
    let path = '', pen = 'M';
    this.times.forEach((t, i) => {
      if (t < from) return;
      if (this.values[i] === null) { pen = 'M'; return; }
      path += `${pen}${((t - from) / span * width).toFixed(1)},${y(this.values[i]).toFixed(1)}`;
      pen = 'L';
    });
    // A single number is visible, too.
    if (seen.length === 1) path += 'h0.1';
    return { path, low, high };
  }

  near(now, share) {
    const span = this.span(now), at = now - span + share * span;
    let best = -1;
    this.times.forEach((t, i) => {
      if (this.values[i] !== null && (best < 0 || Math.abs(t - at) < Math.abs(this.times[best] - at))) best = i;
    });
    return best < 0 ? null : { at: this.times[best], value: this.values[best], share: (this.times[best] - now + span) / span };
  }
}

const make = (name, marks = {}) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(marks)) element.setAttribute(key, value);
  return element;
};
const span = (kind, text = '') => Object.assign(document.createElement('span'), { className: kind, textContent: text });

// A number with its name, its line, and what it was where the pointer is.
export class Plot {
  constructor(name, history) {
    this.history = history;
    this.element = Object.assign(document.createElement('figure'), { className: 'plot' });
    const caption = document.createElement('figcaption');
    this.value = Object.assign(document.createElement('b'), { className: 'value' });
    this.range = span('range');
    caption.append(span('label', name), this.value, this.range);
    this.svg = make('svg', { viewBox: '0 0 300 64', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    this.path = make('path', { class: 'line' });
    this.mark = make('path', { class: 'mark' });
    this.svg.append(make('path', { class: 'grid', d: 'M0,32H300M60,0V64M120,0V64M180,0V64M240,0V64' }), this.path, this.mark);
    const axis = span('axis');
    axis.append(this.begin = span('begin'), span('end', 'now'));
    this.element.append(caption, this.svg, axis);
    this.svg.addEventListener('pointermove', event => {
      const box = this.svg.getBoundingClientRect();
      this.pointed = (event.clientX - box.left) / box.width;
      this.draw(this.drawn);
    });
    this.svg.addEventListener('pointerleave', () => { this.pointed = undefined; this.draw(this.drawn); });
  }

  draw(now) {
    this.drawn = now;
    const { path, low, high } = this.history.line(now, 300, 64, 5);
    this.path.setAttribute('d', path);
    const point = this.pointed === undefined ? null : this.history.near(now, this.pointed);
    this.mark.setAttribute('d', point ? `M${(point.share * 300).toFixed(1)},0V64` : '');
    const last = this.history.values.findLast(v => v !== null);
    this.value.textContent = point ? number(point.value) : last === undefined ? '–' : number(last);
    this.begin.textContent = `${duration(this.history.span(now) / 1000)} ago`;
    this.range.textContent = point ? `at ${clock(new Date(point.at))}` : path ? `${number(low)} … ${number(high)}` : '';
  }
}
