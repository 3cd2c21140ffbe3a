// Linkspan's JSON, which preserves every value: `{"$time": …}`, `{"$bytes": …}` and other escapes. For routes over
// HTTP and for files; connections use CBOR.
import { Decimal, Float, LinkspanError, NdArray, Timestamp, Uuid } from "./client.js";

const DEPTH = 64;
const malformed = (text) => new LinkspanError("Malformed", text);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const small = (big) => (big >= Number.MIN_SAFE_INTEGER && big <= Number.MAX_SAFE_INTEGER ? Number(big) : big);
// The digits of 1,024 bytes. A conversion's time grows with the square of the digits.
const DIGITS = 2467;
function integer(text) {
  if (text.length > DIGITS + 1) throw new LinkspanError("TooLarge", `an integer has at most ${DIGITS} digits, and not ${text.length}`);
  return small(BigInt(text));
}
const base64 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};

function unbase64(text) {
  if (typeof text !== "string" || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw malformed("bytes are a text in base64");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (base64(bytes) !== text) throw malformed("bytes are a text in base64");
  return bytes;
}

const ELEMENTS = {
  bool: Uint8Array, u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, u64: BigUint64Array, i8: Int8Array, i16: Int16Array, i32: Int32Array, i64: BigInt64Array,
  f32: Float32Array, f64: Float64Array, c64: Float32Array, c128: Float64Array,
};

/** Returns a value as JSON text. */
export function stringify(value) {
  return text(value, []);
}

function escaped(map) {
  const keys = [...map.keys()];
  return keys.length === 1 && keys[0].startsWith("$");
}

function float(value, bits) {
  if (Number.isNaN(value)) {
    return bits === undefined || bits === 0x7ff8n << 48n ? '{"$float":"nan"}' : `{"$float":"0x${bits.toString(16).padStart(16, "0")}"}`;
  }
  if (!Number.isFinite(value)) return `{"$float":"${value < 0 ? "-inf" : "inf"}"}`;
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential().replace(/\.0+e/, "e");
  const digits = String(value);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

function text(value, path) {
  const refused = (kind, why) => new LinkspanError(kind, path.length ? `at ${path.join("/")}: ${why}` : why, { path: path.join("/") });
  const inside = (key, inner) => {
    path.push(key);
    const made = text(inner, path);
    path.pop();
    return made;
  };
  const enter = () => {
    if (path.length >= DEPTH) throw refused("TooLarge", `a value has at most ${DEPTH} levels`);
  };
  switch (typeof value) {
    case "string":
      if (/\p{Surrogate}/u.test(value)) throw refused("Malformed", "a text has half of a pair of UTF-16");
      return JSON.stringify(value);
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : float(value);
    case "boolean":
      return String(value);
    case "bigint":
      return value >= -(1n << 63n) && value < 1n << 64n ? String(value) : `{"$int":"${value}"}`;
    case "object":
      break;
    default:
      throw refused("Unsupported", `${typeof value} has no form as a value`);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) {
    enter();
    return `[${value.map((one, at) => inside(at, one)).join(",")}]`;
  }
  if (value instanceof Uint8Array) return `{"$bytes":"${base64(value)}"}`;
  if (value instanceof NdArray || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const { dtype, shape, order, data } = value instanceof NdArray ? value : new NdArray(value);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return `{"$ndarray":{"dtype":"${dtype}","shape":[${shape}],"order":"${order}","data":"${base64(bytes)}"}}`;
  }
  if (value instanceof Timestamp || value instanceof Date) return `{"$time":"${Timestamp.from(value)}"}`;
  if (value instanceof Float) return float(value.value, value.bits);
  if (value instanceof Uuid) return `{"$uuid":"${value}"}`;
  if (value instanceof Decimal) return `{"$decimal":"${value}"}`;
  const prototype = Object.getPrototypeOf(value);
  if (!(value instanceof Map) && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused("Unsupported", `an object of the class ${value.constructor?.name} has no form as a value: give a plain object of its fields`);
  }
  enter();
  const map = value instanceof Map ? value : new Map(Object.entries(value).filter(([, field]) => field !== undefined));
  const entries = [];
  for (const [key, field] of map) {
    if (typeof key !== "string") throw refused("Unsupported", `a key of a map is text, and not ${typeof key}`);
    entries.push(`${text(key, path)}:${inside(key, field)}`);
  }
  const written = `{${entries.join(",")}}`;
  return escaped(map) ? `{"$map":${written}}` : written;
}

/** Parses JSON text, or its UTF-8 bytes; `exact` is the option of `decode`. */
export function parse(source, options = {}) {
  const { exact = false, ...others } = options;
  for (const name of Object.keys(others)) throw new LinkspanError("Unsupported", `parse: no option is called ${JSON.stringify(name)}; there is exact`, { path: name });
  if (typeof source !== "string") {
    try {
      source = utf8.decode(source);
    } catch {
      throw malformed("the text is not UTF-8");
    }
  }
  const parser = new Parser(source, exact);
  const value = parser.value(0);
  parser.space();
  if (parser.at < source.length) throw parser.wrong();
  return value;
}

class Parser {
  constructor(source, exact) {
    this.source = source;
    this.exact = exact;
    this.at = 0;
    this.deepest = 0;
    this.slack = 0;
    this.again = 0;
  }
  wrong(why = this.at < this.source.length ? `${JSON.stringify(this.source[this.at])} cannot stand here` : "the text ends too early") {
    return malformed(`JSON, character ${this.at}: ${why}`);
  }
  space() {
    while (" \t\n\r".includes(this.source[this.at] || "x")) this.at++;
  }
  take(letter) {
    this.space();
    if (this.source[this.at] !== letter) return false;
    this.at++;
    return true;
  }
  need(letter) {
    if (!this.take(letter)) throw this.wrong();
  }
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source);
    if (found) this.at += found[0].length;
    return found;
  }
  string() {
    this.space();
    const found = this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (!found) throw this.wrong("a text is expected");
    const made = found[0].includes("\\") ? JSON.parse(found[0]) : found[0].slice(1, -1);
    if (/\p{Surrogate}/u.test(made)) throw this.wrong("a text has half of a pair of UTF-16");
    return made;
  }
  number() {
    const found = this.match(/-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);
    if (!found) throw this.wrong();
    if (found[1] === undefined && found[2] === undefined) return integer(found[0]);
    const value = Number(found[0]);
    if (!Number.isFinite(value)) throw new LinkspanError("OutOfRange", `${found[0].slice(0, 80)} is beyond the largest float`);
    return this.exact && Number.isInteger(value) ? new Float(value) : value;
  }
  value(depth) {
    this.space();
    const first = this.source[this.at];
    for (const [word, meant] of [["null", null], ["true", true], ["false", false]]) {
      if (first === word[0]) {
        if (!this.source.startsWith(word, this.at)) throw this.wrong();
        this.at += word.length;
        return meant;
      }
    }
    if (first === '"') return this.string();
    if (first === "[") return this.list(depth);
    if (first === "{") return this.map(depth);
    return this.number();
  }
  list(depth) {
    this.enter(depth);
    this.at++;
    const list = [];
    if (this.take("]")) return list;
    do list.push(this.value(depth + 1));
    while (this.take(","));
    this.need("]");
    return list;
  }
  enter(depth) {
    this.deepest = Math.max(this.deepest, depth + 1);
    if (depth >= DEPTH + (this.slack ? 3 : 0)) throw new LinkspanError("TooLarge", `a value has at most ${DEPTH} levels`);
  }
  /** Parses a map, or an escape: a map whose single key begins with `$`. */
  map(depth) {
    const start = ++this.at;
    if (this.take("}")) return this.made([], depth);
    const key = this.string();
    if (!key.startsWith("$")) return this.made(this.entries(depth, start), depth);
    this.need(":");
    this.space();
    const before = this.deepest;
    // An escape's content adds no level. A map with more keys does.
    if (key === "$map" && this.source[this.at] === "{") {
      this.at++;
      const inner = this.take("}") ? [] : this.entries(depth);
      if (this.take("}")) return this.made(inner, depth);
      // Parses the content again as an ordinary map, which doubles the time per such level.
      if (++this.again > DEPTH) throw malformed("too many maps have a key $map and others");
      return this.made(this.entries(depth, start), depth);
    }
    this.slack++;
    const inner = this.value(depth + 1);
    this.slack--;
    if (this.take("}")) {
      this.deepest = before;
      return key === "$map" ? this.pairs(inner, depth) : this.unescaped(key, inner);
    }
    this.enter(this.deepest - 1);
    this.need(",");
    return this.made([[key, inner], ...this.entries(depth)], depth);
  }
  entries(depth, start = this.at) {
    this.at = start;
    const entries = [];
    do {
      const key = this.string();
      this.need(":");
      entries.push([key, this.value(depth + 1)]);
    } while (this.take(","));
    this.need("}");
    return entries;
  }
  pairs(list, depth) {
    const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string";
    if (!Array.isArray(list) || !list.every(isPair)) throw malformed("$map holds a map or a list of pairs of a text and a value");
    return this.made(list, depth);
  }
  made(entries, depth) {
    this.enter(depth);
    const map = new Map();
    for (const [key, value] of entries) {
      if (map.has(key)) throw malformed(`the key ${JSON.stringify(key)} comes twice`);
      map.set(key, value);
    }
    if (this.exact) return map;
    const plain = {};
    for (const [key, value] of map) Object.defineProperty(plain, key, { value, writable: true, enumerable: true, configurable: true });
    return plain;
  }
  unescaped(key, inner) {
    const isText = typeof inner === "string";
    if (key !== "$ndarray" && !isText) throw malformed(`${key} holds a text, or is no escape`);
    switch (key) {
      case "$bytes":
        return unbase64(inner);
      case "$int":
        if (!/^-?\d+$/.test(inner)) throw malformed("$int holds an integer");
        return integer(inner);
      case "$float": {
        const known = { nan: NaN, inf: Infinity, "-inf": -Infinity }[inner];
        if (known !== undefined) return this.exact && inner === "nan" ? new Float(NaN, 0x7ff8n << 48n) : known;
        if (!/^0x[0-9a-fA-F]{16}$/.test(inner)) throw malformed("$float holds nan, inf, -inf, or its bits as 0x and 16 digits");
        const view = new DataView(new ArrayBuffer(8));
        view.setBigUint64(0, BigInt(inner));
        const value = view.getFloat64(0);
        return this.exact && (Number.isNaN(value) || Number.isInteger(value)) ? new Float(value, Number.isNaN(value) ? BigInt(inner) : undefined) : value;
      }
      case "$time":
        return Timestamp.from(inner);
      case "$uuid":
        return new Uuid(inner);
      case "$decimal":
        return new Decimal(inner);
      case "$ndarray":
        return this.array(inner);
      default:
        throw malformed(`${key} is not an escape; a map with this one key is written inside $map`);
    }
  }
  array(map) {
    const known = ["dtype", "shape", "order", "data"];
    if (!(map instanceof Map)) map = new Map(Object.entries(map ?? {}));
    if ([...map.keys()].some((key) => !known.includes(key))) throw malformed("$ndarray holds a map of dtype, shape, order and data");
    const [dtype, shape, order, data] = known.map((key) => map.get(key));
    const Elements = Object.hasOwn(ELEMENTS, dtype) && ELEMENTS[dtype];
    if (!Elements || !Array.isArray(shape)) throw malformed("$ndarray has a dtype that is known, and a shape");
    if (shape.some((one) => !["number", "bigint"].includes(typeof one))) throw malformed("a shape has integers");
    const bytes = unbase64(data);
    if (bytes.length % Elements.BYTES_PER_ELEMENT) throw malformed("the data of $ndarray ends within an element");
    const array = new NdArray(new Elements(bytes.buffer), shape, { dtype, order: order ?? "row" });
    return shape.length === 1 && array.order === "row" && !["u8", "bool", "c64", "c128"].includes(dtype) ? array.data : array;
  }
}
