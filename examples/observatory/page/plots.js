// The plots: the three components and the trigger ratio over one time axis, and the spectrum.
'use strict';

const SECONDS = 20;
const THRESHOLD = 2.5; // the ratio at which the Fortran program turns the trigger on
const byId = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = seconds => new Date(seconds * 1000).toTimeString().slice(0, 8);
const axis = more => ({
  stroke: () => css('--faint'), grid: { stroke: () => css('--grid'), width: 1 }, ticks: { show: false },
  font: '11px ui-monospace, monospace', size: 44, gap: 4, ...more,
});
const line = colour => ({ stroke: () => css(colour), width: 1.25, points: { show: false }, spanGaps: false });

// Holds a column of times, in seconds, and columns of values.
class TimeSeries {
  constructor(rows) { this.columns = Array.from({ length: rows + 1 }, () => []); }
  get last() { return this.columns[0].at(-1) ?? 0; }

  // Adds samples at intervals of 10 ms. Skips known samples. A null for missing samples interrupts the line.
  add(at, rows) {
    const [t, ...ys] = this.columns;
    const push = (x, values) => { t.push(x); ys.forEach((y, r) => y.push(values[r])); };
    if (this.last && at - this.last > 0.05) push(this.last + 0.01, rows.map(() => null));
    rows[0].forEach((_, i) => {
      const x = at + i / 100;
      if (x > this.last + 0.005) push(x, rows.map(row => row[i]));
    });
    const old = t.findIndex(x => x > this.last - SECONDS - 1);
    this.columns.forEach(column => column.splice(0, old));
  }
}
const wave = new TimeSeries(3), trigger = new TimeSeries(2), restarts = [];

// Draws inside the frame of a plot, in canvas pixels.
function within(u, draw) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = css('--mark');
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  draw(ctx, bbox);
  ctx.restore();
}
function stroke(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}
// Draws events under the grid, and the restarts of the recording over it.
const drawEvents = u => within(u, (ctx, box) => {
  const [t, , on] = trigger.columns, x = seconds => u.valToPos(seconds, 'x', true);
  ctx.fillStyle = css('--trigger');
  for (let i = 0, from = -1; i <= t.length; i++) {
    if (on[i] && from < 0) from = i;
    if (!on[i] && from >= 0) {
      ctx.fillRect(x(t[from]), box.top, x(t[i - 1]) - x(t[from]), box.height);
      from = -1;
    }
  }
});
const drawRestarts = u => within(u, (ctx, box) => {
  for (const x of restarts.map(at => u.valToPos(at, 'x', true))) stroke(ctx, x, box.top, x, box.top + box.height);
});
const drawThreshold = u => within(u, (ctx, box) => {
  const y = u.valToPos(THRESHOLD, 'y', true);
  stroke(ctx, box.left, y, box.left + box.width, y);
});

function trace(name, range, splits, more) {
  const ticks = { size: 4, values: () => [], space: 90, ...more.axis };
  const counts = (u, values) => values.map(v => Math.abs(v) >= 1000 ? `${v / 1000}k` : v);
  return new uPlot({
    width: 300, height: 96, padding: [4, 28, 0, 0], legend: { show: false }, cursor: { show: false },
    scales: { x: { time: true }, y: { range } }, axes: [axis(ticks), axis({ splits, values: counts })],
    series: [{}, line(`--${name}`)], hooks: { drawClear: [drawEvents], draw: [drawRestarts, ...more.draw ?? []] },
  }, [[], []], byId(`plot-${name}`));
}
// Puts zero in the middle. The minimum of the range keeps noise small.
const symmetricRange = (u, low, high) => { const limit = 1.1 * Math.max(-low, high, 500); return [-limit, limit]; };
const symmetricTicks = (u, a, low, high) => {
  const step = [200, 500, 1000, 2000, 5000].findLast(s => s <= high * 0.8) ?? 200;
  return [-step, 0, step];
};
const traces = ['z', 'n', 'e'].map(name => trace(name, symmetricRange, symmetricTicks, {}));
const times = { size: 22, values: (u, seconds) => seconds.map(clock) };
const ratio = trace('ratio', () => [0, 3.5], () => [0, 1, 2, 3], { axis: times, draw: [drawThreshold] });

const decades = (u, a, low, high) => {
  const between = [];
  for (let e = Math.ceil(Math.log10(low)); e <= Math.log10(high); e++) between.push(10 ** e);
  return between.length > 7 ? between.filter((_, i) => i % 2 === 0) : between;
};
const powers = (u, values) => values.map(v => '10' + [...String(Math.round(Math.log10(v)))].map(d => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d] ?? '⁻').join(''));
const spectrum = new uPlot({
  width: 300, height: 322, padding: [8, 8, 0, 0], legend: { show: false }, cursor: { y: false },
  scales: { x: { time: false, distr: 3, range: () => [0.1, 50] }, y: { distr: 3 } },
  axes: [axis({ size: 22, splits: () => [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50], filter: (u, s) => s, values: (u, s) => s.map(v => v === 1 ? '1 Hz' : v) }),
    axis({ splits: decades, filter: (u, s) => s, values: powers })],
  series: [{}, line('--z'), line('--n'), line('--e')],
}, [[], [], [], []], byId('plot-spectrum'));
const plots = [...traces, ratio, spectrum];

function drawWaveform() {
  const to = Math.max(wave.last, trigger.last), x = { min: to - SECONDS, max: to }, [t, ...rows] = wave.columns;
  while (restarts[0] < x.min) restarts.shift();
  const draw = (u, columns) => u.batch(() => { u.setData(columns); u.setScale('x', x); });
  traces.forEach((u, i) => draw(u, [t, rows[i]]));
  draw(ratio, trigger.columns.slice(0, 2));
}
function drawSpectrum({ step, power }) {
  const positive = row => row.slice(1).map(p => Math.max(p, 1e-6)); // zero has no logarithm
  spectrum.setData([power[0].map((_, k) => k * step).slice(1), ...power.map(positive)]);
}
const fit = () => plots.forEach(u => u.setSize({ width: u.root.parentElement.clientWidth, height: u.height }));
new ResizeObserver(fit).observe(document.querySelector('main'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.forEach(u => u.redraw(false)));
