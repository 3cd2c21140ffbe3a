// The values of a number in the last minutes, and their plot.
import { clock, duration, number, oneLine } from './values.js';

const MIN_SPAN = 60000, MAX_SPAN = 300000; // milliseconds that a line covers
const MAX_POINTS = 900, GAP = 15000; // milliseconds without a value that interrupt the line
const SVG = 'http://www.w3.org/2000/svg';

// Times in milliseconds, and values; a null interrupts the line.
export class History {
  times = [];
  values = [];
  decreased = false; // whether a value was ever less than the one before: a number that only grows is probably a counter

  add(at, value) {
    const last = this.times.at(-1);
    if (last !== undefined && at <= last) return;
    if (last !== undefined && at - last > GAP) this.#push(last + 1, null);
    if (value < this.values.at(-1)) this.decreased = true;
    this.#push(at, Number.isFinite(value) ? value : null);
  }

  #push(at, value) {
    this.times.push(at);
    this.values.push(value);
    let old = 0;
    while (this.times[old] < at - MAX_SPAN || this.times.length - old > MAX_POINTS) old++;
    if (old > 30) { // in groups, because each removal moves all other points
      this.times.splice(0, old);
      this.values.splice(0, old);
    }
  }

  // Returns the milliseconds that the line covers: the time since the first value, within bounds.
  span(now) { return Math.min(Math.max(now - (this.times[0] ?? now), MIN_SPAN), MAX_SPAN); }

  // Returns the path of the line in a box of this size, and the least and the greatest value.
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
    // A path with one point is not drawn, so it gets a short line.
    if (seen.length === 1) path += 'h0.1';
    return { path, low, high };
  }

  // Returns the point that is nearest to this share of the line's width.
  nearest(now, share) {
    const span = this.span(now), at = now - span + share * span;
    let best = -1;
    this.times.forEach((t, i) => {
      if (this.values[i] !== null && (best < 0 || Math.abs(t - at) < Math.abs(this.times[best] - at))) best = i;
    });
    return best < 0 ? null : { at: this.times[best], value: this.values[best], share: (this.times[best] - now + span) / span };
  }
}

const svgElement = (name, attributes = {}) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const span = (kind, text = '') => Object.assign(document.createElement('span'), { className: kind, textContent: text });

// The plot of a number: its name, its last value or the one at the pointer, and its line.
export class Plot {
  constructor(name, history) {
    this.history = history;
    this.element = Object.assign(document.createElement('figure'), { className: 'plot' });
    const caption = document.createElement('figcaption');
    this.value = Object.assign(document.createElement('b'), { className: 'value' });
    this.range = span('range');
    caption.append(span('label', oneLine(name)), this.value, this.range);
    this.svg = svgElement('svg', { viewBox: '0 0 300 64', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    this.path = svgElement('path', { class: 'line' });
    this.mark = svgElement('path', { class: 'mark' });
    this.svg.append(svgElement('path', { class: 'grid', d: 'M0,32H300M60,0V64M120,0V64M180,0V64M240,0V64' }), this.path, this.mark);
    const axis = span('axis');
    axis.append(this.begin = span('begin'), span('end', 'now'));
    this.element.append(caption, this.svg, axis);
    this.svg.addEventListener('pointermove', event => {
      const box = this.svg.getBoundingClientRect();
      this.pointer = (event.clientX - box.left) / box.width;
      this.draw(this.drawn);
    });
    this.svg.addEventListener('pointerleave', () => { this.pointer = undefined; this.draw(this.drawn); });
  }

  draw(now) {
    this.drawn = now;
    const { path, low, high } = this.history.line(now, 300, 64, 5);
    this.path.setAttribute('d', path);
    const point = this.pointer === undefined ? null : this.history.nearest(now, this.pointer);
    this.mark.setAttribute('d', point ? `M${(point.share * 300).toFixed(1)},0V64` : '');
    const last = this.history.values.findLast(v => v !== null);
    this.value.textContent = point ? number(point.value) : last === undefined ? '–' : number(last);
    this.begin.textContent = `${duration(this.history.span(now) / 1000)} ago`;
    this.range.textContent = point ? `at ${clock(new Date(point.at))}` : path ? `${number(low)} … ${number(high)}` : '';
  }
}
