// The client of `linkspan gateway` for browsers and Node: connections, subscriptions, calls, publishers, and CBOR.
// One file without dependencies.

// Every limit of this client, which bounds the memory and work that a gateway can cause. docs/security.md explains
// them.
const LIMITS = {
  // Bytes of a received value; the option `maxMessageSize` of `connect` overrides it.
  message: 64 << 20,
  // Limits of one value: its values, levels, bytes of a key and of an integer, digits of a decimal, dimensions of an
  // array.
  values: 1_000_000, levels: 64, key: 64 << 10, integer: 1024, digits: 1024, dimensions: 15,
  // Bytes, values and levels that a frame may add around its value.
  around: { bytes: 64 << 10, values: 64, levels: 2 },
  // Untaken bytes of a subscription or server, as a multiple of the longest message; and the memory cost of a value
  // in addition to its bytes.
  held: 4, cost: 128,
  // Names and waiting events of one subscription; waiting requests of one server (an honest gateway sends 64).
  names: 65_536, events: 65_536, requests: 1024,
  // For Node's WebSocket: pieces of a message; and unsent bytes in addition to two longest messages.
  fragments: 65_536, unread: 8 << 20,
  // Characters of an error text.
  text: 4096,
  // Seconds between attempts to connect, first and longest. Each attempt doubles the pause, until a connection lasts
  // `steady` seconds.
  pause: 0.1, longestPause: 10, steady: 10,
  // Seconds between pings, least and most.
  ping: [0.05, 600],
};

const CODES = {
  TransportUnavailable: 100, Disconnected: 102, NotFound: 103, Missing: 104, AddressInUse: 105, InvalidState: 106, InvalidEndpoint: 107, OutOfMemory: 108,
  WrongType: 109, Timeout: 110, Full: 111, Empty: 112, PermissionDenied: 113, TooLarge: 114, Malformed: 115, Unsupported: 116, SchemaMismatch: 117,
  VersionMismatch: 118, Cancelled: 119, Interrupted: 120, Stalled: 121, Remote: 122, OutOfRange: 123, NoSpace: 124, Lagged: 125, Corrupt: 126, Internal: 127,
};

export class LinkspanError extends Error {
  // Minifiers rename classes, so the name is explicit.
  static name = "LinkspanError";
  constructor(kind, text, more = {}) {
    super(text, more.cause === undefined ? undefined : { cause: more.cause });
    this.kind = kind;
    this.code = more.code ?? CODES[kind] ?? 127;
    this.retry = more.retry ?? false;
    this.path = more.path;
    this.failure = more.failure;
  }
  get name() {
    return "LinkspanError";
  }
}

function ofFrame(frame) {
  let text = (frame.text ?? "the gateway gave no reason").slice(0, LIMITS.text);
  const place = frame.path ? `at path ${frame.path.slice(0, LIMITS.text)}` : "";
  if (!text.endsWith(place)) text += `, ${place}`;
  // A newer gateway may have more kinds.
  return new LinkspanError(Object.hasOwn(CODES, frame.kind) ? frame.kind : "Internal", text, frame);
}
const malformed = (text) => new LinkspanError("Malformed", text);
const unsupported = (text) => new LinkspanError("Unsupported", text);
const tooLarge = (text) => new LinkspanError("TooLarge", text);

/** Refuses the first unknown option by name. */
function refuseUnknown(what, given, ...known) {
  for (const name of Object.keys(given ?? {})) {
    if (!known.includes(name)) throw new LinkspanError("Unsupported", `${what}: no option is called ${JSON.stringify(name)}; there are ${known.join(", ")}`, { path: name });
  }
}
const outOfRange = (text) => new LinkspanError("OutOfRange", text);

// ---- Values without a JavaScript type

const SECOND = 1_000_000_000n;
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

export class Timestamp {
  static name = "Timestamp";
  constructor(nanoseconds) {
    this.nanoseconds = BigInt(nanoseconds);
    if (BigInt.asIntN(64, this.nanoseconds) !== this.nanoseconds) throw outOfRange("an instant is between the years 1677 and 2262");
    Object.freeze(this);
  }
  static now() {
    return new Timestamp(BigInt(Date.now()) * 1_000_000n);
  }
  static from(value) {
    if (value instanceof Timestamp) return value;
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw malformed("an invalid Date is no instant");
      return new Timestamp(BigInt(value.getTime()) * 1_000_000n);
    }
    const found = RFC3339.exec(value);
    const [year, month, day, hour, minute, second] = found ? found.slice(1, 7).map(Number) : [];
    const date = new Date(0);
    if (found) date.setUTCFullYear(year, month - 1, day);
    if (!found || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59 || found[9] > 23 || found[10] > 59) {
      throw malformed(`${JSON.stringify(value)} is not a time as RFC 3339 writes it, such as 2026-03-01T12:00:00.5Z`);
    }
    const offset = (Number(found[9] ?? 0) * 60 + Number(found[10] ?? 0)) * (found[8] === "-" ? -60 : 60);
    const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
    return new Timestamp(BigInt(seconds) * SECOND + BigInt((found[7] ?? "").padEnd(9, "0")));
  }
  parts() {
    const rest = ((this.nanoseconds % SECOND) + SECOND) % SECOND;
    return [(this.nanoseconds - rest) / SECOND, rest];
  }
  get seconds() {
    return Number(this.nanoseconds) / 1e9;
  }
  toDate() {
    const [seconds, rest] = this.parts();
    return new Date(Number(seconds * 1000n + rest / 1_000_000n));
  }
  toString() {
    const [seconds, rest] = this.parts();
    const digits = String(rest).padStart(9, "0").replace(/^(\d{3})000000$/, "$1").replace(/^(\d{6})000$/, "$1");
    return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", rest ? `.${digits}Z` : "Z");
  }
  toJSON() {
    return this.toString();
  }
}

export class Uuid {
  static name = "Uuid";
  constructor(text) {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw malformed(`${JSON.stringify(text)} is no UUID`);
    this.text = text.toLowerCase();
    Object.freeze(this);
  }
  toString() {
    return this.text;
  }
  toJSON() {
    return this.text;
  }
}

export class Decimal {
  static name = "Decimal";
  constructor(text) {
    text = String(text);
    const special = /^([+-]?)(nan|inf|infinity)$/i.exec(text);
    if (special) this.text = special[2].toLowerCase() === "nan" ? "NaN" : `${special[1] === "-" ? "-" : ""}Infinity`;
    else {
      const found = text.length <= 4096 && /^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
      if (!found) throw malformed(`${JSON.stringify(text.slice(0, 80))} is not a decimal number such as 1.10`);
      this.text = Decimal.#written(found[1] === "-", found[2] + (found[3] ?? ""), Number(found[4] ?? 0) - (found[3] ?? "").length);
    }
    Object.freeze(this);
  }
  static of(negative, digits, exponent) {
    return new Decimal(Decimal.#written(negative, digits, exponent));
  }
  static #written(negative, digits, exponent) {
    digits = digits.replace(/^0+(?=\d)/, "");
    if (digits.length > LIMITS.digits) throw tooLarge(`a decimal number has at most ${LIMITS.digits} digits, and not ${digits.length}`);
    const first = exponent + digits.length - 1;
    if (!(exponent >= -(2 ** 31) && first < 2 ** 31)) throw outOfRange("the exponent of a decimal number has 32 bits");
    let text = digits;
    if (exponent > 0 || first < -6) {
      text = (digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits) + `E${first < 0 ? "" : "+"}${first}`;
    } else if (exponent < 0) {
      text = digits.padStart(1 - exponent, "0");
      text = `${text.slice(0, exponent)}.${text.slice(exponent)}`;
    }
    return (negative ? "-" : "") + text;
  }
  parts() {
    const found = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(this.text);
    if (!found) return null;
    return [found[1] === "-", BigInt(found[2] + (found[3] ?? "")), Number(found[4] ?? 0) - (found[3] ?? "").length];
  }
  toString() {
    return this.text;
  }
  toJSON() {
    return this.text;
  }
}

export class Float {
  static name = "Float";
  constructor(value, bits) {
    this.value = Number(value);
    this.bits = bits;
    Object.freeze(this);
  }
  valueOf() {
    return this.value;
  }
  toJSON() {
    return this.value;
  }
}

// Each element type: its array class, and its CBOR tag (RFC 8746, little-endian).
const DTYPES = {
  bool: [Uint8Array, 41], u8: [Uint8Array, 64], u16: [Uint16Array, 69], u32: [Uint32Array, 70], u64: [BigUint64Array, 71], i8: [Int8Array, 72], i16: [Int16Array, 77],
  i32: [Int32Array, 78], i64: [BigInt64Array, 79], f32: [Float32Array, 85], f64: [Float64Array, 86], c64: [Float32Array, 85, 2], c128: [Float64Array, 86, 2],
};
const PLAIN_DTYPES = ["u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64"];
const TAGS = { 64: "u8", 68: "u8", 65: "u16", 66: "u32", 67: "u64", 72: "i8", 73: "i16", 74: "i32", 75: "i64", 80: "f16", 81: "f32", 82: "f64", 84: "f16" };
for (const name of PLAIN_DTYPES) TAGS[DTYPES[name][1]] = name;

export class NdArray {
  static name = "NdArray";
  constructor(data, shape, more = {}) {
    refuseUnknown("NdArray", more, "dtype", "order");
    let { dtype, order = "row" } = more;
    dtype ??= Object.keys(DTYPES).find((name) => name !== "bool" && data instanceof DTYPES[name][0]);
    const known = DTYPES[dtype];
    if (!known || !(data instanceof known[0])) throw new LinkspanError("WrongType", `an array of ${dtype} has its elements in a ${known?.[0].name ?? "typed array"}`);
    this.data = data;
    this.dtype = dtype;
    // With one dimension, both orders are equal.
    this.order = shape?.length > 1 ? order : "row";
    this.shape = shape ?? [data.length / (known[2] ?? 1)];
    if (!["row", "column"].includes(order)) throw malformed("the order of an array is row or column");
    if (this.shape.length > LIMITS.dimensions) throw tooLarge(`an array has at most ${LIMITS.dimensions} dimensions, and not ${this.shape.length}`);
    let all = 1n;
    let isEmpty = false;
    for (const one of this.shape) {
      if (one < 0 || (typeof one === "number" && !Number.isSafeInteger(one))) throw malformed("a length of an array is an integer without sign");
      if (one == 0) isEmpty = true;
      else all *= BigInt(one);
    }
    if (all >= 1n << 64n) throw tooLarge(`an array of the shape [${this.shape}] is too large`);
    if ((isEmpty ? 0n : all * BigInt(known[2] ?? 1)) !== BigInt(data.length)) throw malformed(`a shape of [${this.shape}] does not have ${data.length} elements`);
  }
  at(...indices) {
    let place = 0;
    const axes = this.shape.map((_, axis) => axis);
    for (const axis of this.order === "row" ? axes : axes.reverse()) {
      if (!(indices[axis] >= 0 && indices[axis] < this.shape[axis])) throw outOfRange(`the index ${indices[axis]} is not within ${this.shape[axis]}`);
      place = place * Number(this.shape[axis]) + indices[axis];
    }
    return DTYPES[this.dtype][2] ? [this.data[2 * place], this.data[2 * place + 1]] : this.data[place];
  }
}

// ---- CBOR

const WHAT_TIME = "a time has seconds, and a part of one in milli-, micro- or nanoseconds";
const textOf = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const bytesOf = new TextEncoder();
// Number types of CBOR heads.
const WIDTHS = ["Uint8", "Uint16", "Uint32", "BigUint64"];
const small = (big) => (big >= Number.MIN_SAFE_INTEGER && big <= Number.MAX_SAFE_INTEGER ? Number(big) : big);
const put = (map, key, value) => {
  // Assigning this key would set the prototype.
  if (key === "__proto__") Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
  else map[key] = value;
};

function half(bits) {
  const [sign, exponent, part] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (part + 1024) : 2 ** -24 * part);
}

class Decoder {
  constructor(bytes, exact, around) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.exact = exact;
    this.most = LIMITS.levels + (around?.levels ?? 0);
    this.depth = this.tags = 0;
    this.values = 1;
    this.mostValues = LIMITS.values + (around?.values ?? 0);
  }
  count(values) {
    this.values += values;
    if (this.values > this.mostValues) throw tooLarge(`a message has at most ${LIMITS.values} values`);
  }
  ended() {
    return malformed("the value ends too early");
  }
  head() {
    const at = this.at++;
    if (at >= this.bytes.length) throw this.ended();
    const first = this.bytes[at];
    const low = first & 31;
    this.major = first >> 5;
    this.low = low;
    if (low < 24) return low;
    if (low > 27) {
      if (low === 31 && this.major >= 2 && this.major <= 5) return null;
      throw malformed(`there is no item ${first.toString(16)}`);
    }
    const size = 1 << (low - 24);
    if (this.at + size > this.bytes.length) throw this.ended();
    this.at += size;
    return small(this.view[`get${WIDTHS[low - 24]}`](at + 1));
  }
  expect(major, what) {
    const number = this.head();
    if (this.major !== major) throw malformed(what);
    return number;
  }
  isBreak() {
    if (this.at >= this.bytes.length) throw this.ended();
    if (this.bytes[this.at] !== 0xff) return false;
    this.at++;
    return true;
  }
  each(count, size, take) {
    if (count === null) {
      for (let at = 0; !this.isBreak(); at++) {
        this.count(1);
        take(at);
      }
      return;
    }
    if (count > (this.bytes.length - this.at) / size) throw malformed(`${count} items do not follow`);
    this.count(count);
    for (let at = 0; at < count; at++) take(at);
  }
  chunk(length) {
    if (length > this.bytes.length - this.at) throw malformed(`${length} bytes do not follow`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  string(length) {
    if (length !== null) return this.chunk(length);
    const major = this.major;
    const chunks = [];
    while (!this.isBreak()) {
      const long = this.expect(major, "a chunk is of the kind that it is a part of");
      if (long === null) throw malformed("a chunk has a length");
      this.count(1);
      const chunk = this.chunk(long);
      if (major === 3) this.utf8(chunk);
      chunks.push(chunk);
    }
    const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
  utf8(bytes) {
    if (bytes.length < 32) {
      let text = "";
      for (const byte of bytes) {
        if (byte > 127) break;
        text += String.fromCharCode(byte);
      }
      if (text.length === bytes.length) return text;
    }
    try {
      return textOf.decode(bytes);
    } catch {
      throw malformed("a text is not UTF-8");
    }
  }
  float(at, size) {
    const value = size === 2 ? half(this.view.getUint16(at)) : size === 4 ? this.view.getFloat32(at) : this.view.getFloat64(at);
    if (!this.exact) return value;
    if (!Number.isNaN(value)) return Number.isInteger(value) ? new Float(value) : value;
    if (size === 8) return new Float(value, this.view.getBigUint64(at));
    const bits = BigInt(size === 4 ? this.view.getUint32(at) : this.view.getUint16(at));
    const [part, width] = size === 4 ? [23n, 31n] : [10n, 15n];
    return new Float(value, ((bits >> width) << 63n) | (0x7ffn << 52n) | ((bits & ((1n << part) - 1n)) << (52n - part)));
  }
  enter() {
    if (++this.depth > this.most) throw tooLarge(`a value has at most ${LIMITS.levels} levels`);
  }
  item() {
    const number = this.head();
    switch (this.major) {
      case 0:
        return number;
      case 1:
        return typeof number === "bigint" || number === Number.MAX_SAFE_INTEGER ? small(-1n - BigInt(number)) : -1 - number;
      case 2:
        return this.string(number).slice();
      case 3:
        return this.utf8(this.string(number));
      case 4: {
        this.enter();
        const list = [];
        this.each(number, 1, () => list.push(this.item()));
        this.depth--;
        return list;
      }
      case 5: {
        this.enter();
        const map = this.exact ? new Map() : {};
        this.each(number, 2, () => {
          const long = this.head();
          if (this.major !== 3) throw unsupported("a key of a map is text");
          const bytes = this.string(long);
          if (bytes.length > LIMITS.key) throw tooLarge(`a key has at most ${LIMITS.key} bytes, and not ${bytes.length}`);
          const key = this.utf8(bytes);
          if (this.exact ? map.has(key) : Object.hasOwn(map, key)) throw malformed(`the key ${JSON.stringify(key)} comes twice`);
          const value = this.item();
          if (this.exact) map.set(key, value);
          else put(map, key, value);
        });
        this.depth--;
        return map;
      }
      case 6: {
        if (++this.tags > LIMITS.levels) throw tooLarge(`a value has at most ${LIMITS.levels} levels`);
        const value = this.tagged(number);
        this.tags--;
        return value;
      }
      default:
        if (this.low === 20 || this.low === 21) return this.low === 21;
        if (this.low === 22) return null;
        if (this.low >= 25) return this.float(this.at - (1 << (this.low - 24)), 1 << (this.low - 24));
        if (this.low === 24 && number < 32) throw malformed("a simple value is in too many bytes");
        throw unsupported(`the simple value ${number} has no form here`);
    }
  }
  tagged(tag) {
    switch (tag) {
      case 0:
        return Timestamp.from(this.utf8(this.string(this.expect(3, WHAT_TIME))));
      case 1:
        return this.seconds();
      case 2:
      case 3: {
        const digits = this.big(this.string(this.expect(2, "a big integer is tagged bytes")));
        return small(tag === 2 ? digits : -1n - digits);
      }
      case 4: {
        const what = "a decimal number is an array of two integers";
        const parts = [];
        this.each(this.expect(4, what), 1, () => {
          const head = this.bytes[this.at];
          if (head > 0x3f && head !== 0xc2 && head !== 0xc3) throw malformed(what);
          parts.push(BigInt(this.item()));
        });
        if (parts.length !== 2) throw malformed(what);
        const [exponent, digits] = parts;
        if (exponent !== BigInt.asIntN(32, exponent)) throw outOfRange("the exponent of a decimal number has 32 bits");
        return Decimal.of(digits < 0n, String(digits < 0n ? -digits : digits), Number(exponent));
      }
      case 27: {
        const what = this.item();
        if (Array.isArray(what) && what.length === 2 && what[0] === "decimal" && typeof what[1] === "string") return new Decimal(what[1]);
        throw unsupported('of tag 27 only ["decimal", text] has a form here');
      }
      case 37: {
        const bytes = this.string(this.expect(2, "a UUID has 16 bytes"));
        if (bytes.length !== 16) throw malformed("a UUID has 16 bytes");
        return new Uuid(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"));
      }
      case 40:
      case 1040:
        return this.array(tag === 40 ? "row" : "column");
      case 41:
      case 43001:
        return this.vector(this.elements(tag));
      case 1001:
        return this.time();
      case 55799:
        return this.item();
      default:
        if (tag >= 64 && tag <= 87) return this.vector(this.elements(tag));
        throw unsupported(`the tag ${tag} has no form here`);
    }
  }
  big(bytes) {
    if (bytes.length > LIMITS.integer) throw tooLarge(`an integer has at most ${LIMITS.integer} bytes, and not ${bytes.length}`);
    let digits = "0x0";
    for (const byte of bytes) digits += byte.toString(16).padStart(2, "0");
    return BigInt(digits);
  }
  seconds() {
    const first = this.bytes[this.at];
    const value = Number(this.item());
    if (first >= 0x40 && (first < 0xf9 || first > 0xfb)) throw malformed(WHAT_TIME);
    if (Number.isNaN(value)) throw malformed(WHAT_TIME);
    if (Math.abs(value) > 1e10) throw outOfRange("an instant is between the years 1677 and 2262");
    const whole = Math.floor(value);
    return new Timestamp(BigInt(whole) * SECOND + BigInt(Math.round((value - whole) * 1e9)));
  }
  time() {
    let seconds, rest;
    const integer = () => {
      const number = this.head();
      if (this.major > 1) throw malformed(WHAT_TIME);
      return this.major ? -1n - BigInt(number) : BigInt(number);
    };
    this.each(this.expect(5, WHAT_TIME), 2, () => {
      const key = integer();
      if (key === 1n && seconds === undefined) return void (seconds = integer());
      const unit = { "-3": 1_000_000n, "-6": 1000n, "-9": 1n }[key];
      if (unit === undefined && key !== 1n) throw unsupported(WHAT_TIME);
      if (unit === undefined || rest !== undefined) throw malformed(WHAT_TIME);
      rest = integer() * unit;
      if (rest < 0n || rest >= SECOND) throw malformed(WHAT_TIME);
    });
    if (seconds === undefined) throw malformed(WHAT_TIME);
    return new Timestamp(seconds * SECOND + (rest ?? 0n));
  }
  array(order) {
    const what = "an N-d array is an array of its shape and its elements";
    const shape = [];
    let found;
    let parts = 0;
    this.each(this.expect(4, what), 1, (at) => {
      parts++;
      if (at === 0) {
        this.each(this.expect(4, what), 1, () => {
          if (shape.length === LIMITS.dimensions) throw tooLarge(`an array has at most ${LIMITS.dimensions} dimensions`);
          shape.push(this.expect(0, what));
        });
      } else if (at === 1) {
        const number = this.head();
        if (this.major === 4) found = this.plain(number);
        else if (this.major === 6) found = this.elements(number);
        else throw malformed(what);
      } else throw malformed(what);
    });
    if (parts !== 2) throw malformed(what);
    return this.vector(found, shape, order);
  }
  vector([dtype, data], shape = [data.length / (DTYPES[dtype][2] ?? 1)], order = "row") {
    const array = new NdArray(data, shape, { dtype, order });
    return shape.length === 1 && order === "row" && PLAIN_DTYPES.includes(dtype) ? data : array;
  }
  elements(tag) {
    if (tag === 41) return this.plain(this.expect(4, "a typed array is tagged bytes"));
    if (tag === 43001) {
      const [dtype, data] = this.elements(this.expect(6, "complex numbers are a typed array of floats here"));
      const complex = { f32: "c64", f64: "c128" }[dtype];
      if (!complex) throw unsupported("complex numbers are a typed array of floats here");
      if (data.length % 2) throw malformed("a typed array ends within an element");
      return [complex, data];
    }
    const dtype = TAGS[tag];
    if (!dtype) throw unsupported(`the tag ${tag} has no form here`);
    const bytes = this.string(this.expect(2, "a typed array is tagged bytes"));
    const [Elements, own] = DTYPES[dtype === "f16" ? "u16" : dtype];
    const size = Elements.BYTES_PER_ELEMENT;
    if (bytes.length % size) throw malformed("a typed array ends within an element");
    // A view of the message, if its alignment allows one.
    const isView = bytes.byteOffset % size === 0 && tag !== 68 && size > 1 && tag === own;
    const data = isView ? new Elements(bytes.buffer, bytes.byteOffset, bytes.length / size) : new Elements(bytes.slice().buffer);
    if (size > 1 && ![own, 84].includes(tag)) {
      const raw = new Uint8Array(data.buffer);
      for (let at = 0; at < raw.length; at += size) raw.subarray(at, at + size).reverse();
    }
    return dtype === "f16" ? ["f32", Float32Array.from(data, half)] : [dtype, data];
  }
  plain(count) {
    if (count !== null && (this.bytes[this.at] | 1) === 0xf5) {
      const bits = this.chunk(count);
      if (!bits.every((bit) => (bit | 1) === 0xf5)) throw unsupported("an array has bools, integers of 64 bits with sign, or floats alone");
      return ["bool", bits.map((bit) => bit & 1)];
    }
    const items = [];
    let dtype;
    this.each(count, 1, () => {
      const first = this.bytes[this.at];
      const found = first === 0xf4 || first === 0xf5 ? "bool" : first < 0x40 ? "i64" : first >= 0xf9 && first <= 0xfb ? "f64" : null;
      dtype ??= found;
      if (!found || found !== dtype) {
        if (first === undefined) throw this.ended();
        throw unsupported("an array has bools, integers of 64 bits with sign, or floats alone");
      }
      const item = this.item();
      if (found === "i64" && BigInt(item) !== BigInt.asIntN(64, BigInt(item))) throw unsupported("an array has bools, integers of 64 bits with sign, or floats alone");
      items.push(found === "i64" ? BigInt(item) : Number(item));
    });
    dtype ??= "bool";
    return [dtype, DTYPES[dtype][0].from(items)];
  }
}

export function decode(bytes, options = {}) {
  refuseUnknown("decode", options, "exact");
  return decoded(bytes, options.exact ?? false)[0];
}

/** Returns the value and its memory cost. */
function decoded(bytes, exact, around) {
  // Node's `Buffer` overrides `slice`, so the decoder gets the base class.
  const decoder = new Decoder(ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes), exact, around);
  const value = decoder.item();
  if (decoder.at !== decoder.bytes.length) throw malformed("something follows the value");
  return [value, decoder.bytes.length + decoder.values * LIMITS.cost];
}

class Encoder {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
    this.path = [];
    // Maxima to compare with a gateway's limits: values, bytes of the longest key and of the largest integer,
    // dimensions of an array.
    this.extent = { values: 0, key: 0, integer: 0, dimensions: 0 };
  }
  reach(limit, is) {
    this.extent[limit] = Math.max(this.extent[limit], is);
  }
  room(more) {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
  raw(bytes) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }
  head(major, number) {
    const low = number < 24 ? Number(number) : number < 0x100 ? 24 : number < 0x10000 ? 25 : number < 0x100000000 ? 26 : 27;
    this.room(9);
    this.bytes[this.length++] = (major << 5) | low;
    if (number < 24) return;
    this.view[`set${WIDTHS[low - 24]}`](this.length, low === 27 ? BigInt(number) : Number(number));
    this.length += 1 << (low - 24);
  }
  refused(kind, text) {
    const path = this.path.join("/");
    return new LinkspanError(kind, path ? `at ${path}: ${text}` : text, { path });
  }
  text(text) {
    if (/\p{Surrogate}/u.test(text)) throw this.refused("Malformed", "a text has half of a pair of UTF-16");
    const bytes = bytesOf.encode(text);
    this.head(3, bytes.length);
    this.raw(bytes);
    return bytes.length;
  }
  integer(number) {
    if (number >= 0) this.head(0, number);
    else this.head(1, typeof number === "bigint" ? -1n - number : -1 - number);
  }
  big(number) {
    const digits = number < 0n ? -1n - number : number;
    if (digits < 1n << 64n) return this.integer(number);
    let hex = digits.toString(16);
    // The limit applies to the magnitude, which for -2^8192 has one byte more than the encoded number.
    this.reach("integer", Math.ceil((number < 0n ? -number : number).toString(16).length / 2));
    if (hex.length % 2) hex = `0${hex}`;
    this.head(6, number < 0n ? 3 : 2);
    this.bytesOf(Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16)));
  }
  bytesOf(bytes) {
    this.head(2, bytes.length);
    this.raw(bytes);
  }
  float(value, bits) {
    this.room(9);
    this.bytes[this.length] = 0xfb;
    if (bits !== undefined) this.view.setBigUint64(this.length + 1, bits);
    else if (Number.isNaN(value)) this.view.setBigUint64(this.length + 1, 0x7ff8n << 48n);
    else this.view.setFloat64(this.length + 1, value);
    this.length += 9;
  }
  entries(entries, count) {
    this.enter();
    this.head(5, count);
    for (const [key, value] of entries) {
      if (typeof key !== "string") throw this.refused("Unsupported", `a key of a map is text, and not ${typeof key}`);
      this.reach("key", this.text(key));
      this.inside(key, value);
    }
  }
  enter() {
    if (this.path.length >= LIMITS.levels) throw this.refused("TooLarge", `a value has at most ${LIMITS.levels} levels; this one may contain itself`);
  }
  inside(key, value) {
    this.path.push(key);
    this.value(value);
    this.path.pop();
  }
  array(array) {
    const { dtype, shape, order, data } = array instanceof NdArray ? array : new NdArray(array);
    this.head(6, order === "row" ? 40 : 1040);
    this.head(4, 2);
    this.head(4, shape.length);
    this.reach("dimensions", shape.length);
    for (const one of shape) this.head(0, one);
    if (DTYPES[dtype][2]) this.head(6, 43001);
    this.head(6, DTYPES[dtype][1]);
    if (dtype === "bool") {
      this.head(4, data.length);
      this.raw(Uint8Array.from(data, (bit) => (bit ? 0xf5 : 0xf4)));
    } else this.bytesOf(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  instant(at) {
    const [seconds, rest] = at.parts();
    this.raw([0xd9, 0x03, 0xe9, 0xa2, 0x01]);
    this.integer(seconds);
    this.raw([0x28]);
    this.integer(rest);
  }
  decimal(value) {
    const parts = value.parts();
    if (!parts || (parts[0] && parts[1] === 0n)) {
      this.head(6, 27);
      this.head(4, 2);
      this.text("decimal");
      return this.text(value.text);
    }
    this.head(6, 4);
    this.head(4, 2);
    this.integer(parts[2]);
    this.big(parts[0] ? -parts[1] : parts[1]);
  }
  value(value) {
    this.extent.values++;
    switch (typeof value) {
      case "number":
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.integer(value);
        return this.float(value);
      case "string":
        return this.text(value);
      case "boolean":
        return this.raw([value ? 0xf5 : 0xf4]);
      case "bigint":
        return this.big(value);
      case "object":
        return value === null ? this.raw([0xf6]) : this.object(value);
      default:
        throw this.refused("Unsupported", `${typeof value} has no form as a value`);
    }
  }
  object(value) {
    if (Array.isArray(value)) {
      this.enter();
      this.head(4, value.length);
      for (let at = 0; at < value.length; at++) this.inside(at, value[at]);
    } else if (value instanceof Uint8Array) this.bytesOf(value);
    else if (value instanceof ArrayBuffer) this.bytesOf(new Uint8Array(value));
    else if (value instanceof NdArray || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
      if (value instanceof Uint8ClampedArray) value = new NdArray(new Uint8Array(value.buffer, value.byteOffset, value.length));
      this.array(value);
    } else if (value instanceof Timestamp || value instanceof Date) {
      try {
        value = Timestamp.from(value);
      } catch (error) {
        throw this.refused(error.kind, error.message);
      }
      this.instant(value);
    } else if (value instanceof Float) this.float(value.value, value.bits);
    else if (value instanceof Uuid) {
      this.head(6, 37);
      this.bytesOf(Uint8Array.from(value.text.replaceAll("-", "").match(/../g), (pair) => parseInt(pair, 16)));
    } else if (value instanceof Decimal) this.decimal(value);
    else if (value instanceof Message) {
      this.extent.values--;
      this.value(value.value);
    }
    else if (value instanceof Raw) this.raw(value.bytes);
    else if (value instanceof Map) this.entries(value, value.size);
    else if (value instanceof Set) this.object([...value]);
    else {
      const prototype = Object.getPrototypeOf(value);
      // A plain object from another realm, such as a frame, has that realm's prototype.
      if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
        throw this.refused("Unsupported", `an object of the class ${value.constructor?.name} has no form as a value: give a plain object of its fields`);
      }
      // An undefined field counts as absent.
      const entries = Object.entries(value).filter(([, field]) => field !== undefined);
      this.entries(entries, entries.length);
    }
  }
}

/** An encoded value with its extent, which a gateway's limits bound. */
class Raw {
  constructor(value) {
    const encoder = new Encoder();
    encoder.value(value);
    this.bytes = encoder.bytes.slice(0, encoder.length);
    this.extent = encoder.extent;
  }
}

export function encode(value) {
  return new Raw(value).bytes;
}

/**
 * Returns a frame's bytes, or throws if the value exceeds the gateway's limits, because a gateway would end the
 * connection. All gateways have the same limit of levels.
 */
function fitting(frame, limits) {
  const { bytes } = new Raw(frame);
  const extent = frame.value?.extent;
  for (const [limit, what, advice] of [
    ["message", "bytes in a message", "`linkspan gateway --max-message-size` raises that"],
    ["values", "values inside of one", "send numbers as a typed array, or several messages"],
    ["key", "bytes in a key", "shorten it"],
    ["integer", "bytes in an integer", "send it as bytes or text"],
    ["dimensions", "dimensions of an array", "send several"],
  ]) {
    const is = limit === "message" ? bytes.length : extent?.[limit];
    if (is > limits?.[limit]) throw tooLarge(`${frame.name ?? frame.type}: ${is} ${what}, and the gateway takes ${limits[limit]}: ${advice}`);
  }
  return bytes;
}

// ---- Frames of the gateway

const isMap = (value) => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === "string";
const CHECKS = {
  text: isText, map: isMap, count: isCount, number: (value) => isCount(value) && value > 0, integer: Number.isSafeInteger, bool: (value) => typeof value === "boolean",
  instant: (value) => value instanceof Timestamp, texts: (value) => Array.isArray(value) && value.every(isText),
  names: (value) => Array.isArray(value) && value.every((one) => isMap(one) && isText(one.name)), error: (value) => isMap(value) && !wrongField(value, FRAMES.error),
  failure: (value) => isMap(value) && !wrongField(value, FRAMES.failure),
};
// The fields of each frame; fields after a bar are optional.
const FRAMES = {
  welcome: "| machine:text rights:map limits:map", message: "name:text number:number | time:instant passed:count schema:text error:error", lagged: "name:text missed:count",
  joined: "name:text incarnation:text", ended: "name:text", closed: "| error:error", reply: "| number:count time:instant", names: "names:names | gone:texts", ack: "number:count",
  error: "kind:text | text:text retry:bool path:text failure:failure", failure: "| code:integer kind:text text:text", request: "call:count | wants_reply:bool",
};
for (const [type, text] of Object.entries(FRAMES)) {
  const [needed, optional = ""] = text.split("|").map((part) => part.trim().split(" ").filter(Boolean).map((field) => field.split(":")));
  FRAMES[type] = [...needed.map((field) => [...field, true]), ...optional];
}
/** Returns the name of the first missing or invalid field. */
const wrongField = (frame, fields) => fields?.find(([name, check, isNeeded]) => (frame[name] ?? null) === null ? isNeeded : !CHECKS[check](frame[name]))?.[0];

/** Returns the checked frame of these bytes, and its memory cost. */
function received(data, most) {
  if (typeof data === "string") throw malformed("a frame of text; the frames of this protocol are bytes");
  if (data.byteLength > most + LIMITS.around.bytes) throw tooLarge(`a frame of ${data.byteLength} bytes; this client takes values of ${most}, which maxMessageSize of connect raises`);
  const [frame, cost] = decoded(data, false, LIMITS.around);
  if (!isMap(frame) || !isText(frame.type)) throw malformed("a frame is a map with its type");
  const wrong = wrongField(frame, Object.hasOwn(FRAMES, frame.type) ? FRAMES[frame.type] : undefined);
  if (wrong) throw malformed(`a frame ${frame.type} of the gateway has no right ${wrong}`);
  return [frame, cost];
}

// ---- Connections

export class Message {
  static name = "Message";
  constructor(frame, missed = 0, isUnseen = false) {
    this.name = frame.name;
    this.number = frame.number;
    this.time = frame.time;
    this.value = frame.value;
    this.missed = missed;
    if (isUnseen) this.unseen = true;
    if (frame.schema) this.schema = frame.schema;
    if (frame.error) this.error = ofFrame(frame.error);
  }
}

class Stream {
  #items = [];
  #waiting = [];
  #end;
  get queued() {
    return this.#items;
  }
  push(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ value: this.taken(item), done: false });
    else this.#items.push(item);
  }
  taken(item) {
    return item;
  }
  end(error) {
    this.#end ??= { error };
    for (const waiting of this.#waiting.splice(0)) this.#ended(waiting);
  }
  get isOver() {
    return this.#end !== undefined;
  }
  #ended({ resolve, reject }) {
    const { error } = this.#end;
    this.#end = {};
    if (error) reject(error);
    else resolve({ value: undefined, done: true });
  }
  next() {
    return new Promise((resolve, reject) => {
      if (this.#items.length) resolve({ value: this.taken(this.#items.shift()), done: false });
      else if (this.#end) this.#ended({ resolve, reject });
      else this.#waiting.push({ resolve, reject });
    });
  }
  async return() {
    this.close();
    this.#items.length = 0;
    return { value: undefined, done: true };
  }
  [Symbol.asyncIterator]() {
    return this;
  }
}

class Subscription extends Stream {
  takes = ["message", "lagged", "joined", "ended"];
  names = new Map();
  #lab;
  #names;
  #options;
  #outstanding = 0;
  #costs = new WeakMap();
  #held = 0;
  #unlisten;

  constructor(lab, names, options) {
    super();
    this.#lab = lab;
    this.#names = names;
    refuseUnknown("subscribe", options, "latest", "rate", "credit", "events", "from", "signal");
    const { latest, rate, credit = 128, events = false, from, signal } = options;
    this.#options = { latest: latest ?? rate !== undefined, rate, credit, events };
    for (const [name, at] of Object.entries(from ?? {})) Object.assign(this.#of(name), typeof at === "object" ? at : { number: at }, { resumes: true });
    const abort = () => this.close(cancelled(signal));
    signal?.addEventListener("abort", abort, { once: true });
    // A program-wide signal outlives its subscriptions, so the listener is removed.
    this.#unlisten = () => signal?.removeEventListener("abort", abort);
  }
  end(error) {
    this.#unlisten();
    super.end(error);
  }
  #of(name) {
    let of = this.names.get(name);
    if (!of) {
      of = { number: 0, incarnation: undefined, messages: 0, missed: 0, unseen: 0, tail: 0, said: 0, untold: 0, isUntold: false, lives: false, isAway: false };
      this.names.set(name, of);
    }
    return of;
  }
  get missed() {
    let sum = 0;
    for (const of of this.names.values()) sum += of.missed;
    return sum;
  }
  frame() {
    const { latest, rate, credit } = this.#options;
    const frame = { type: "subscribe", names: this.#names };
    if (latest) Object.assign(frame, { latest, rate });
    else frame.credit = this.#outstanding = Math.max(credit - this.queued.length, 0);
    const from = {};
    for (const [name, of] of this.names) {
      if (!of.number || of.incarnation === undefined && !of.resumes) continue;
      put(from, name, of.incarnation === undefined ? of.number : { number: of.number, incarnation: of.incarnation });
      // The gateway reports the losses after the last message again, or sends those messages.
      of.said += of.tail;
      of.tail = 0;
    }
    if (Object.keys(from).length) frame.from = from;
    return frame;
  }
  taken(item) {
    this.#held -= this.#costs.get(item) ?? 0;
    if (!this.#options.latest && item instanceof Message) {
      const free = this.#options.credit - this.#outstanding - this.queued.length;
      if (free * 2 >= this.#options.credit && this.#lab.send({ type: "credit", id: this.id, n: free })) this.#outstanding += free;
    }
    return item;
  }
  #event(type, frame) {
    if (!this.#options.events) return;
    if (this.queued.length > LIMITS.events + this.#options.credit) return this.close(new LinkspanError("Full", `${LIMITS.events} events wait for the program: take them sooner`));
    this.push({ ...frame, type, id: undefined });
  }
  take(frame, cost) {
    if (this.isOver) return;
    if (this.names.size >= LIMITS.names && !this.names.has(frame.name)) return this.close(tooLarge(`a subscription has at most ${LIMITS.names} names: subscribe to a narrower pattern`));
    const of = this.#of(frame.name);
    const isAway = of.isAway;
    of.isAway = false;
    of.lives = frame.type !== "ended";
    if (frame.type === "joined") {
      if (isAway && of.incarnation !== undefined && of.incarnation !== frame.incarnation && !this.#options.latest) {
        // The publisher ended unseen, so the number of its messages after the last one is unknown.
        of.unseen++;
        of.isUntold = true;
        this.#event("lagged", { name: frame.name, missed: null });
      }
      if (of.incarnation !== frame.incarnation && !(of.resumes && of.incarnation === undefined)) Object.assign(of, { number: 0, said: 0, tail: 0 });
      of.incarnation = frame.incarnation;
      return this.#event("joined", frame);
    }
    if (frame.type === "ended") return this.#event("ended", frame);
    const claimed = (frame.type === "lagged" ? frame.missed : frame.passed) ?? 0;
    const known = Math.min(of.said, claimed);
    const missed = claimed - known;
    of.said -= known;
    of.missed += missed;
    of.untold += missed;
    if (frame.type === "lagged") {
      of.tail += claimed;
      if (missed) this.#event("lagged", { ...frame, missed });
      return;
    }
    if (frame.number <= of.number) throw malformed(`${frame.name}: the message ${frame.number} after ${of.number}`);
    // `said` counts losses that the gateway reported in advance.
    of.missed -= of.said;
    Object.assign(of, { number: frame.number, said: 0, tail: 0, messages: of.messages + 1 });
    const message = new Message(frame, of.untold, of.isUntold);
    of.untold = 0;
    of.isUntold = false;
    if (!this.#options.latest && --this.#outstanding < 0) throw malformed("the gateway sent more messages than it was given credit for");
    const older = this.#options.latest ? this.queued.findIndex((item) => item instanceof Message && item.name === frame.name) : -1;
    if (older >= 0) {
      // The program has not taken the previous message, which now counts as skipped.
      this.#passOver(older, message);
    }
    if (this.#options.events) message.type = "message";
    this.#costs.set(message, cost);
    this.#held += cost;
    this.push(message);
    while (this.#held > LIMITS.held * this.#lab.longest) {
      const oldest = this.queued.findIndex((item) => item instanceof Message);
      if (oldest < 0 || this.queued[oldest] === message) break;
      const { name } = this.queued[oldest];
      this.#passOver(oldest, this.queued.find((item, at) => at > oldest && item instanceof Message && item.name === name));
    }
  }
  /** Removes a message from the queue; the next message of its name counts it as missed. */
  #passOver(at, next) {
    const [passed] = this.queued.splice(at, 1);
    const of = this.#of(passed.name);
    this.#held -= this.#costs.get(passed);
    of.missed++;
    of.messages--;
    if (next) {
      next.missed += passed.missed + 1;
      if (passed.unseen) next.unseen = true;
    } else {
      of.untold += passed.missed + 1;
      of.isUntold ||= passed.unseen ?? false;
    }
  }
  cut() {
    for (const of of this.names.values()) {
      of.isAway ||= of.lives;
      of.lives = false;
    }
    this.#event("disconnected", {});
  }
  close(error) {
    if (!this.isOver) this.#lab.forget(this, { type: "unsubscribe", id: this.id });
    this.end(error);
  }
}

class Follow extends Stream {
  takes = ["names"];
  #lab;
  #pattern;
  #known = new Set();
  #isFirst = true;
  constructor(lab, pattern) {
    super();
    this.#lab = lab;
    this.#pattern = pattern;
  }
  frame() {
    this.#isFirst = true;
    return { type: "names", pattern: this.#pattern, follow: true };
  }
  take(frame) {
    const now = new Set(frame.names.map((one) => one.name));
    const gone = new Set(this.#isFirst ? [...this.#known].filter((name) => !now.has(name)) : (frame.gone ?? []).filter((name) => this.#known.has(name)));
    this.#isFirst = false;
    for (const name of now) this.#known.add(name);
    for (const name of gone) this.#known.delete(name);
    if (this.#known.size + (this.queued[0]?.gone.length ?? 0) > LIMITS.names) return this.close(tooLarge(`a list has at most ${LIMITS.names} names: follow a narrower pattern, or take the changes sooner`));
    // A program that takes no updates gets the last state of each name.
    const older = this.queued.shift();
    const names = new Map([...(older?.names ?? []), ...frame.names].map((one) => [one.name, one]));
    for (const name of gone) names.delete(name);
    const left = (older?.gone ?? []).filter((name) => !now.has(name));
    this.push({ names: [...names.values()], gone: [...new Set([...left, ...gone])] });
  }
  cut() {}
  close(error) {
    if (!this.isOver) this.#lab.forget(this, { type: "unsubscribe", id: this.id });
    this.end(error);
  }
}

class Publisher {
  takes = ["ack"];
  #lab;
  #schema;
  #sent = [];
  #ready;
  #wasOpen = false;
  #error;
  constructor(lab, name, schema) {
    this.#lab = lab;
    this.name = name;
    this.#schema = schema;
    this.cut();
  }
  frame() {
    return { type: "publish", name: this.name, schema: this.#schema };
  }
  cut() {
    // The message may be published: sending it again could duplicate it.
    const lost = new LinkspanError("Disconnected", `the connection to the gateway ended before it said whether ${this.name} was published`);
    for (const { reject } of this.#sent.splice(0)) reject(lost);
    this.#ready = promised(this.#ready);
  }
  opened() {
    return this.#ready.promise;
  }
  take(frame) {
    if (this.#ready.isDone) return this.#sent.shift()?.resolve(frame.number);
    this.#wasOpen = true;
    this.pause = undefined;
    this.#ready.resolve();
  }
  fail(error) {
    if (this.#ready.isDone) this.#sent.shift()?.reject(error);
    // The gateway may still hold the name for an older connection of this program.
    else if (this.#wasOpen && error.kind === "AddressInUse") this.#lab.restart(this);
    else this.end(error);
  }
  end(error = new LinkspanError("InvalidState", `the publisher of ${this.name} is closed`)) {
    if (this.#error) return;
    this.#error = error;
    this.#lab.forget(this);
    this.#ready.reject(error);
    for (const { reject } of this.#sent.splice(0)) reject(error);
  }
  async send(value) {
    const raw = new Raw(value);
    while (!this.#error) {
      await this.#ready.promise;
      if (this.#error) break;
      if (!this.#ready.isDone || !this.#lab.send({ type: "data", id: this.id, value: raw })) continue;
      const sent = promised();
      this.#sent.push(sent);
      return sent.promise;
    }
    throw this.#error;
  }
  async close() {
    if (this.#error) return;
    await Promise.allSettled(this.#sent.map(({ promise }) => promise));
    if (!this.#error) this.#lab.forget(this, { type: "unpublish", id: this.id });
    this.end();
  }
}

class Request {
  answered = false;
  #server;
  #call;
  constructor(server, frame) {
    this.#server = server;
    this.#call = frame.call;
    this.value = frame.value;
    this.wantsReply = frame.wants_reply ?? true;
  }
  #answer(outcome) {
    if (this.answered || !this.wantsReply) throw new LinkspanError("InvalidState", `${this.#server.name}: the request was answered, or wants no answer`);
    this.#server.answer(this, { call: this.#call, ...outcome });
    this.answered = true;
  }
  reply(value) {
    this.#answer({ value: new Raw(value ?? null) });
  }
  fail(text, options = {}) {
    refuseUnknown("fail", options, "code", "kind", "data");
    const { code = -32603, kind = "", data = null } = options;
    this.#answer({ failure: { code, kind, text: String(text), data } });
  }
  failWith(error) {
    const { code, kind, text, data } = (error instanceof LinkspanError && error.failure) || {};
    this.fail(text ?? error?.message ?? error, { code, kind: kind ?? error?.name ?? typeof error, data });
  }
}

class Server extends Stream {
  takes = ["ack", "request"];
  #lab;
  #options;
  #ready = promised();
  #wasOpen = false;
  // Unanswered requests of this connection, with the memory cost of each.
  #requests = new Map();
  #held = 0;
  constructor(lab, name, options) {
    super();
    this.#lab = lab;
    this.name = name;
    this.#options = options;
  }
  frame() {
    const { schema, replySchema } = this.#options;
    return { type: "serve", name: this.name, schema, reply_schema: replySchema };
  }
  opened() {
    return this.#ready.promise;
  }
  cut() {
    // Their callers already have an error.
    this.#requests.clear();
    this.#held = 0;
    this.queued.length = 0;
    this.#ready = promised(this.#ready);
  }
  take(frame, cost) {
    if (frame.type === "ack") {
      this.#wasOpen = true;
      this.pause = undefined;
      return this.#ready.resolve();
    }
    this.#held += cost;
    if (this.#requests.size && (this.#requests.size >= LIMITS.requests || this.#held > LIMITS.held * this.#lab.longest)) {
      throw malformed(`${this.name}: the gateway sent more requests than fit before the program answered them`);
    }
    const request = new Request(this, frame);
    this.#requests.set(request, cost);
    this.push(request);
  }
  taken(request) {
    // A message needs no answer.
    if (!request.wantsReply) this.#forget(request);
    return request;
  }
  #forget(request) {
    this.#held -= this.#requests.get(request) ?? 0;
    return this.#requests.delete(request);
  }
  answer(request, outcome) {
    // A request of an earlier connection has already failed at its caller.
    if (this.#requests.has(request)) this.#lab.send({ type: "answer", id: this.id, ...outcome });
    this.#forget(request);
  }
  fail(error) {
    // The caller also gets the error of an answer that does not fit.
    if (this.#ready.isDone) this.onerror?.(error);
    else if (this.#wasOpen && error.kind === "AddressInUse") this.#lab.restart(this);
    else this.end(error);
  }
  end(error) {
    this.#lab.forget(this);
    this.#ready.reject(error ?? new LinkspanError("InvalidState", `the server of ${this.name} is closed`));
    super.end(error);
  }
  async run(handler, options = {}) {
    refuseUnknown("run", options, "workers");
    if (typeof handler !== "function") throw new LinkspanError("WrongType", `${this.name}: a handler is a function of a request`, { path: "handler" });
    const { workers = 1 } = options;
    if (!Number.isSafeInteger(workers) || workers < 1) throw outOfRange(`${this.name}: workers is a number from 1 upwards`);
    const work = async () => {
      for (let one; !(one = await this.next()).done; ) await this.#serve(handler, one.value);
    };
    await Promise.all(Array.from({ length: workers }, work));
  }
  async #serve(handler, request) {
    const isOpen = () => request.wantsReply && !request.answered;
    try {
      const answer = await handler(request);
      if (isOpen()) request.reply(answer);
    } catch (error) {
      try {
        if (isOpen()) request.failWith(error);
      } catch (unsendable) {
        if (isOpen()) request.failWith(unsendable);
      }
      this.onerror?.(error);
    }
  }
  close() {
    if (!this.isOver) this.#lab.forget(this, { type: "unserve", id: this.id });
    this.end();
  }
}

function promised(before) {
  if (before && !before.isDone) return before;
  const made = { isDone: false };
  made.promise = new Promise((resolve, reject) => {
    for (const [name, end] of Object.entries({ resolve, reject })) {
      made[name] = (with_) => {
        made.isDone = true;
        end(with_);
      };
    }
  });
  // If nobody awaits it, its rejection must not reach the program.
  made.promise.catch(() => {});
  return made;
}

const cancelled = (signal) => new LinkspanError("Cancelled", "the program gave it up", { cause: signal?.reason });
const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const notAnAddress = (url, cause) => new LinkspanError("InvalidEndpoint", `${String(url).split("#")[0]} is no address of a gateway: give ws://HOST:PORT, wss://HOST:PORT, or the one that it prints`, { cause });

class Lab {
  welcome;
  onstate;
  #url;
  #options;
  #socket;
  #online = promised();
  #error;
  #said;
  #last = 0;
  #pause = LIMITS.pause;
  #since = 0;
  // The gateway moves names from an older connection of this client id to a newer one.
  #client = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  #asked = new Map();
  #open = new Map();

  constructor(url, options) {
    let at;
    try {
      at = new URL(url, globalThis.location?.href);
    } catch (error) {
      throw notAnAddress(url, error);
    }
    refuseUnknown("connect", options, "token", "reconnect", "timeout", "WebSocket", "maxMessageSize");
    const given = new URLSearchParams(at.hash.slice(1)).get("token");
    this.#options = { token: given ?? "", reconnect: true, timeout: 10, maxMessageSize: LIMITS.message, ...options };
    this.longest = this.#options.maxMessageSize;
    if (!(Number.isSafeInteger(this.longest) && this.longest >= 1024)) throw outOfRange("maxMessageSize is bytes, from 1024 upwards");
    at.hash = "";
    at.protocol = at.protocol.replace("http", "ws");
    if (!/^wss?:$/.test(at.protocol)) throw notAnAddress(url);
    if (at.pathname === "/") at.pathname = "/linkspan";
    this.#url = at.href;
  }
  get isConnected() {
    return this.#online.isDone && !this.#error;
  }

  async attempt() {
    const { process, WebSocket } = globalThis;
    // Node's own class does not bound messages.
    const isNode = process?.versions?.node && !process.versions.bun && !process.versions.deno && !process.versions.electron;
    const Socket = this.#options.WebSocket ?? (isNode ? (await import("./node.js")).WebSocket : WebSocket);
    if (this.#error) throw this.#error;
    let socket;
    try {
      socket = this.#socket = new Socket(this.#url, "linkspan.v1.cbor", { longest: this.longest + LIMITS.around.bytes, ...LIMITS });
    } catch (error) {
      throw notAnAddress(this.#url, error);
    }
    const greeted = promised();
    // The time of the unanswered ping.
    let pinged;
    let ping;
    const late = setTimeout(() => end(new LinkspanError("Timeout", `${this.#url} did not answer within ${this.#options.timeout} s`, { retry: true })), this.#options.timeout * 1000);
    const end = (error) => {
      clearTimeout(late);
      clearInterval(ping);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {};
      if (socket.readyState < 2) socket.close();
      if (this.#socket === socket) this.#socket = undefined;
      if (greeted.isDone) this.#cut(error);
      else greeted.reject(error);
    };
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#said = undefined;
      socket.send(encode({ type: "hello", version: 1, token: this.#options.token, client: this.#client }));
    };
    socket.onerror = (event) => {
      this.#said ??= event?.error instanceof LinkspanError ? event.error : undefined;
    };
    socket.onclose = (event) => {
      const text = `the connection to ${this.#url} ${greeted.isDone ? "ended" : "was refused"}${event?.reason ? `: ${event.reason}` : ""}; is the gateway there, and does it admit this page?`;
      end(this.#said ?? new LinkspanError("Disconnected", text, { retry: true }));
    };
    socket.onmessage = ({ data }) => {
      pinged = undefined;
      try {
        const [frame, cost] = received(data, this.longest);
        if (greeted.isDone) return this.#take(frame, cost);
        if (frame.type === "error") return end(ofFrame(frame));
        if (frame.type !== "welcome") throw malformed(`the first frame of a gateway is welcome, and not ${frame.type}`);
        if (frame.version !== 1) throw new LinkspanError("VersionMismatch", `the gateway speaks version ${frame.version} of the protocol, and this client version 1`);
        clearTimeout(late);
        this.welcome = frame;
        // A half-open connection answers no ping. Browsers run timers of hidden pages once a minute, so the time
        // counts from the sent ping.
        const period = Math.min(Math.max(Number(frame.limits?.ping) || 20, LIMITS.ping[0]), LIMITS.ping[1]) * 1000;
        ping = setInterval(() => {
          if (Date.now() - pinged > 3 * period) end(new LinkspanError("Disconnected", `${this.#url} has not answered a ping for ${(3 * period) / 1000} s`, { retry: true }));
          else {
            pinged ??= Date.now();
            this.send({ type: "ping", id: 0 });
          }
        }, period);
        greeted.resolve();
        this.#since = Date.now();
        this.#online.resolve();
        for (const one of [...this.#open.values()]) this.#start(one);
        this.onstate?.("connected");
      } catch (error) {
        end(error instanceof LinkspanError ? error : malformed(`a frame of the gateway is none: ${error}`));
      }
    };
    return greeted.promise;
  }

  #cut(error) {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    // A call may already be carried out.
    for (const { reject, type } of asked) reject(new LinkspanError("Disconnected", error.message, { retry: type !== "call", cause: error }));
    if (this.#error) return;
    this.#online = promised();
    // A gateway that greets and then breaks the protocol keeps the long pause.
    if (Date.now() - this.#since > LIMITS.steady * 1000) this.#pause = LIMITS.pause;
    for (const one of [...this.#open.values()]) one.cut();
    this.onstate?.("disconnected", error);
    if (this.#options.reconnect) this.#again();
    else this.#finish(error);
  }
  async #again() {
    while (!this.#error) {
      const pause = this.#pause * (0.5 + Math.random() / 2);
      this.#pause = Math.min(this.#pause * 2, LIMITS.longestPause);
      await wait(pause);
      if (this.#error) return;
      try {
        return await this.attempt();
      } catch (error) {
        // Waiting does not help against these errors.
        if (["PermissionDenied", "VersionMismatch", "InvalidEndpoint"].includes(error.kind)) return this.#finish(error);
        this.onstate?.("disconnected", error);
      }
    }
  }
  #finish(error) {
    if (this.#error) return;
    this.#error = error;
    this.#online.reject(error);
    for (const one of [...this.#open.values()]) one.end(error.isClosed ? undefined : error);
    this.#open.clear();
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
    this.onstate?.("closed", error.isClosed ? undefined : error);
  }

  #take(frame, cost) {
    const { id, type } = frame;
    const one = this.#open.get(id);
    const asked = this.#asked.get(id);
    if (asked) {
      const error = type === "error" ? frame : type === "closed" ? frame.error ?? { kind: "Disconnected", text: "the gateway ended it" } : undefined;
      if (!error && !asked.fits(frame)) throw malformed(`the gateway answered ${asked.type} with a frame ${type} that does not fit`);
      this.#asked.delete(id);
      if (error) asked.reject(ofFrame(error));
      else asked.resolve(frame);
    } else if (type === "error" && (id === null || id === undefined)) this.#said = ofFrame(frame);
    else if (!one) return;
    else if (type === "error" && one.fail) one.fail(ofFrame(frame));
    else if (type === "error" || type === "closed") {
      const error = type === "error" ? frame : frame.error;
      this.#open.delete(id);
      one.end(error ? ofFrame(error) : undefined);
    } else if (one.takes.includes(type)) one.take(frame, cost);
  }
  send(frame) {
    // Notices a closing socket before its event.
    if (this.#socket?.readyState > 1) this.#socket.onclose?.({});
    if (!this.isConnected || this.#socket?.readyState !== 1) return false;
    this.#socket.send(fitting(frame, this.welcome.limits));
    return true;
  }
  forget(one, frame) {
    if (this.#open.delete(one.id) && frame) this.send(frame);
  }
  #begin(one) {
    if (this.#error) {
      one.end(this.#error);
      return one;
    }
    one.id = ++this.#last;
    this.#open.set(one.id, one);
    if (this.isConnected) this.#start(one);
    return one;
  }
  /** Requests a name again that another connection still holds. */
  async restart(one) {
    const online = this.#online;
    one.pause = Math.min((one.pause ?? LIMITS.pause / 2) * 2, LIMITS.longestPause);
    await wait(one.pause);
    // A newer connection may have started it already.
    if (online === this.#online && this.#open.get(one.id) === one) this.#start(one);
  }
  #start(one) {
    try {
      this.send({ ...one.frame(), id: one.id });
    } catch (error) {
      this.#open.delete(one.id);
      one.end(error);
    }
  }
  async #ask(frame, fits, options = {}) {
    refuseUnknown(frame.type, options, "timeout", "signal");
    const { timeout = 30, signal } = options;
    if (this.#error) throw this.#error;
    if (signal?.aborted) throw cancelled(signal);
    const done = Object.assign(promised(), { type: frame.type, fits });
    const id = ++this.#last;
    const withdraw = (error) => {
      if (this.#asked.delete(id) && frame.type === "call") this.send({ type: "cancel", id });
      done.reject(error);
    };
    const abort = () => withdraw(cancelled(signal));
    signal?.addEventListener("abort", abort, { once: true });
    // The gateway has the same time-out, and its report has priority. A sent call may already be carried out.
    const mayRetry = () => frame.type !== "call" || !this.#asked.has(id);
    const late = setTimeout(() => withdraw(new LinkspanError("Timeout", `the gateway did not answer within ${timeout} s`, { retry: mayRetry() })), Math.min(timeout * 1000 + 2000, 2 ** 31 - 1));
    try {
      this.#online.promise.then(() => {
        if (done.isDone) return;
        this.#asked.set(id, done);
        if (!this.send({ ...frame, id })) done.reject(new LinkspanError("Disconnected", "the connection to the gateway ended", { retry: true }));
      }).catch(done.reject);
      return await done.promise;
    } finally {
      this.#asked.delete(id);
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
    }
  }

  subscribe(names, options = {}) {
    const subscription = new Subscription(this, names, options);
    if (options.signal?.aborted) {
      subscription.end(cancelled(options.signal));
      return subscription;
    }
    return this.#begin(subscription);
  }
  async latest(name, options) {
    return new Message(await this.#ask({ type: "latest", name }, ({ type, number }) => type === "reply" && isCount(number), options));
  }
  async names(pattern = "*", options = undefined) {
    return (await this.#ask({ type: "names", pattern }, ({ type }) => type === "names", options)).names;
  }
  follow(pattern = "*") {
    return this.#begin(new Follow(this, pattern));
  }
  async schema(name, options) {
    return (await this.#ask({ type: "schema", name }, ({ type, value }) => type === "reply" && isMap(value), options)).value;
  }
  async call(name, value = null, options = {}) {
    const frame = { type: "call", name, value: new Raw(value), timeout: options.timeout ?? 30 };
    return (await this.#ask(frame, ({ type }) => type === "reply", options)).value;
  }
  async publisher(name, options = {}) {
    refuseUnknown("publisher", options, "schema", "timeout");
    return this.#opened(new Publisher(this, name, options.schema), "unpublish", options);
  }
  async serve(name, options = {}) {
    refuseUnknown("serve", options, "schema", "replySchema", "timeout");
    return this.#opened(new Server(this, name, options), "unserve", options);
  }
  /** Waits until the gateway has opened a name. */
  async #opened(one, farewell, { timeout = 30 }) {
    this.#begin(one);
    const late = setTimeout(() => {
      this.forget(one, { type: farewell, id: one.id });
      one.end(new LinkspanError("Timeout", `${one.name}: the gateway did not open it within ${timeout} s`, { retry: true }));
    }, Math.min(timeout * 1000, 2 ** 31 - 1));
    try {
      await one.opened();
    } finally {
      clearTimeout(late);
    }
    return one;
  }
  close() {
    const error = new LinkspanError("InvalidState", "the connection was closed by the program");
    error.isClosed = true;
    const socket = this.#socket;
    this.#finish(error);
    if (socket) {
      socket.onclose?.({});
    }
  }
}

export async function connect(url, options = {}) {
  const lab = new Lab(url, options);
  await lab.attempt();
  return lab;
}
