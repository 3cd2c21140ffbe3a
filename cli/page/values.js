// Values as the interface tells them, for people: what is a number to be plotted, and what is shown as words.

const LEAVES = 40, DEPTH = 5, SHORT = 80;
const FLOATS = { nan: NaN, inf: Infinity, '-inf': -Infinity };

export const time = value => new Date(typeof value === 'string' ? value : value?.$time);
export const clock = date => Number.isNaN(date?.getTime()) ? '–' : date.toTimeString().slice(0, 8);

// A number with as many digits as tell something; a count stays whole.
export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return value.toLocaleString('en').replaceAll(',', ' ');
  if (size >= 1e7 || (size < 1e-3 && size > 0)) return value.toExponential(2);
  return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4);
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// Text of a program in one line, as the shell shows it: what would end the line or turn the order of others is written as in JSON.
const NAMED = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
export const oneLine = text => String(text).replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
  c => NAMED[c] ?? `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);

const cut = text => text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;

// What a value that is no container says of itself: a number, or words.
function leaf(value) {
  if (value === null) return 'null';
  if (typeof value === 'number') return value;
  if (typeof value !== 'object') return cut(String(value));
  if ('$time' in value) return value.$time.replace('T', ' ').replace(/(\.\d{3})\d*/, '$1');
  if ('$float' in value) return FLOATS[value.$float] ?? value.$float;
  if ('$bytes' in value) return `${Math.floor(value.$bytes.length * 3 / 4)} bytes`;
  if ('$ndarray' in value) return `${value.$ndarray.dtype} [${value.$ndarray.shape.join(' × ')}]`;
  const [inner] = Object.values(value);
  return cut(typeof inner === 'string' ? inner : JSON.stringify(inner));
}
// What a service calls a key is its own: only a map of one key that begins with $ is a mark of the interface's.
function isLeaf(value) {
  if (value === null || typeof value !== 'object') return true;
  const [key, ...more] = Object.keys(value);
  return more.length === 0 && key?.startsWith('$') === true;
}

// The leaves of a value: [path, number or words].
export function leaves(value, path = '', depth = 0, found = []) {
  if (found.length >= LEAVES) return found;
  if (isLeaf(value)) {
    found.push([path || 'value', leaf(value)]);
  } else if (Array.isArray(value) && (value.length > 8 || value.length === 0)) {
    found.push([path || 'value', value.length ? `${value.length} entries` : 'empty']);
  } else if (depth >= DEPTH) {
    found.push([path, '…']);
  } else {
    for (const [key, inner] of Object.entries(value)) leaves(inner, path ? `${path}/${key}` : key, depth + 1, found);
  }
  return found;
}

// A whole answer in one line.
export function brief(value) {
  if (value === null || value === undefined) return '';
  const all = leaves(value), shown = all.slice(0, 6).map(([path, what]) => {
    const text = typeof what === 'number' ? number(what) : what;
    return path === 'value' ? text : `${path} ${text}`;
  });
  return shown.join(', ') + (all.length > 6 ? ' …' : '');
}
