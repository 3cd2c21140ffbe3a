// Converts values of the HTTP interface to numbers, which can be plotted, and to texts.

const MAX_LEAVES = 40, MAX_DEPTH = 5, MAX_TEXT = 80;
const FLOATS = { nan: NaN, inf: Infinity, '-inf': -Infinity };

export const time = value => new Date(typeof value === 'string' ? value : value?.$time);
export const clock = date => Number.isNaN(date?.getTime()) ? '–' : date.toTimeString().slice(0, 8);

// Formats a number with about four significant digits; smaller integers keep all of theirs.
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

// Returns a text of a program as one line, as the shell does: characters that end a line, change the direction of text or are not seen are escaped as
// in JSON, beyond 16 bits by a pair of surrogates.
const ESCAPES = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
export const oneLine = text => String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
  c => ESCAPES[c] ?? c.split('').map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''));

const cut = text => text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;

// Returns a value that is no container as a number or a text.
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
// Services may use any key, so only a map whose single key begins with $ is an extended value of the interface.
function isLeaf(value) {
  if (value === null || typeof value !== 'object') return true;
  const [key, ...more] = Object.keys(value);
  return more.length === 0 && key?.startsWith('$') === true;
}

// Returns the leaves of a value: [path, number or text].
export function leaves(value, path = '', depth = 0, found = []) {
  if (found.length >= MAX_LEAVES) return found;
  if (isLeaf(value)) {
    found.push([path || 'value', leaf(value)]);
  } else if (Array.isArray(value) && (value.length > 8 || value.length === 0)) {
    found.push([path || 'value', value.length ? `${value.length} entries` : 'empty']);
  } else if (depth >= MAX_DEPTH) {
    found.push([path, '…']);
  } else {
    for (const [key, inner] of Object.entries(value)) leaves(inner, path ? `${path}/${key}` : key, depth + 1, found);
  }
  return found;
}

// Returns the first leaves of a value as one line.
export function brief(value) {
  if (value === null || value === undefined) return '';
  const all = leaves(value), shown = all.slice(0, 6).map(([path, inner]) => {
    const text = typeof inner === 'number' ? number(inner) : inner;
    return path === 'value' ? text : `${path} ${text}`;
  });
  return shown.join(', ') + (all.length > 6 ? ' …' : '');
}
