// The readings: a card for each, with the last minute as a sparkline and the statistics of the C++ program.
'use strict';

const KEPT = 600; // readings in a sparkline: one minute
const WIDTH = 240, HEIGHT = 48, EDGE = 3; // in units of a sparkline's viewBox
const histories = {}, statistics = {}, axes = {};

// Converts a UCUM unit to the usual notation.
const UNITS = { 1: '', Cel: '°C', '{count}': 'counts' };
const unitName = unit => UNITS[unit ?? 1] ?? unit.replaceAll('By', 'B');

// The values in every sparkline: the range of a percentage; else zero, if it is a limit of the range.
const SHOWN = { '%': range => range };
function setRanges(readings) {
  for (const [name, { unit, range }] of Object.entries(readings)) {
    const card = document.querySelector(`li#${name}`);
    if (!card) continue;
    axes[name] = { unit: unitName(unit), shown: SHOWN[unit]?.(range) ?? range?.filter(end => end === 0) ?? [] };
    card.querySelector('.value small').textContent = axes[name].unit;
  }
}

function number(v) {
  if (v === undefined || v === null) return '–';
  const size = Math.abs(v);
  if (size >= 9999.5) return `${(v / 1000).toFixed(size >= 99950 ? 0 : 1)}k`;
  return v.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}
// Draws the line of the values, and the band of mean ± standard deviation.
function sparkline(card, values, band) {
  const svg = card.querySelector('svg'), range = axes[card.id]?.shown ?? [];
  const low = Math.min(...values, ...range), high = Math.max(...values, ...range);
  const span = high - low, y = v => span > 0
    ? HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (Math.min(Math.max(v, low), high) - low) / span : HEIGHT / 2;
  const x = i => WIDTH - (values.length - 1 - i) * WIDTH / KEPT;
  const points = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`);
  svg.querySelector('.line').setAttribute('d', `M${points.join('L')}`);
  if (!band) return;
  const top = y(band.mean + band.sd);
  svg.querySelector('.mean').setAttribute('d', `M0,${y(band.mean)}H${WIDTH}`);
  svg.querySelector('rect').setAttribute('y', top);
  svg.querySelector('rect').setAttribute('height', Math.max(y(band.mean - band.sd) - top, 0));
}
function showReadings({ readings }) {
  for (const card of document.querySelectorAll('#readings li')) {
    const name = card.id, value = readings[name] ?? null; // null if this machine has no such sensor
    card.classList.toggle('absent', value === null);
    card.querySelector('.value b').textContent = number(value);
    card.querySelector('.value small').textContent = value === null ? 'no such sensor' : axes[name]?.unit ?? '';
    if (value === null) continue;
    const kept = (histories[name] ??= []);
    kept.push(value);
    if (kept.length > KEPT) kept.shift();
    sparkline(card, kept, statistics[name]);
  }
}
function showStatistics({ seconds, statistics: all }) {
  byId('seconds').textContent = seconds;
  for (const [name, of] of Object.entries(all)) {
    statistics[name] = of;
    byId(name).querySelectorAll('dd').forEach(dd => { dd.textContent = number(of[dd.dataset.statistic]); });
  }
}
