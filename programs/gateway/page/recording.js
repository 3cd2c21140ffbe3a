// A recording in the page: reads its files and plays them. Panels and the table subscribe to a player as they do to a
// gateway.
import { LinkspanError, Message, Timestamp, decode } from "/client.js";
import { parse } from "/json.js";

const MAGIC = [0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a];
const SCHEMA = 3;
const CHANNEL = 4;
const MESSAGE = 5;
const CHUNK = 6;
const METADATA = 12;
const EVENTS = "linkspan/events";
/** The most bytes of the files, and of their decompressed content. */
const MOST = 2 ** 31;
/** The period of a rate, in seconds. */
const WINDOW = 5;
const text = new TextDecoder();

const malformed = (what) => new LinkspanError("Corrupt", what);

/** Reads a record's fields. A length beyond its end is an error. */
class Fields {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }
  number(size) {
    this.at += size;
    if (this.at > this.bytes.length) throw malformed("a record ends too early");
    const at = this.at - size;
    return size === 8 ? this.view.getBigUint64(at, true) : size === 4 ? this.view.getUint32(at, true) : size === 2 ? this.view.getUint16(at, true) : this.view.getUint8(at);
  }
  block(length = this.number(4)) {
    if (length > this.bytes.length - this.at) throw malformed("a length is beyond the end of its record");
    this.at += Number(length);
    return this.bytes.subarray(this.at - Number(length), this.at);
  }
  text() {
    return text.decode(this.block());
  }
  texts() {
    const inner = new Fields(this.block());
    const found = new Map();
    while (inner.at < inner.bytes.length) found.set(inner.text(), inner.text());
    return found;
  }
}

const SUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function sum(bytes) {
  let all = -1;
  for (let at = 0; at < bytes.length; at++) all = (all >>> 8) ^ SUMS[(all ^ bytes[at]) & 255];
  return ~all >>> 0;
}

/** Decompresses an LZ4 frame into `size` bytes. */
function lz4(bytes, size) {
  const from = new Fields(bytes);
  const into = new Uint8Array(size);
  let end = 0;
  if (from.number(4) !== 0x184d2204) throw malformed("a chunk is no frame of LZ4");
  const flags = from.number(1);
  from.block(2 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0));
  const put = (part) => {
    if (part.length > size - end) throw malformed("a chunk is longer than it says");
    into.set(part, end);
    end += part.length;
  };
  for (let head = from.number(4); head; head = from.number(4)) {
    const block = new Fields(from.block(head & 0x7fffffff));
    const long = (length) => {
      for (let more = length === 15 ? 255 : 0; more === 255; length += more) more = block.number(1);
      return length;
    };
    if (head >>> 31) put(block.bytes);
    else {
      while (block.at < block.bytes.length) {
        const token = block.number(1);
        put(block.block(long(token >> 4)));
        if (block.at === block.bytes.length) break;
        const back = block.number(2);
        const length = long(token & 15) + 4;
        if (!back || back > end || length > size - end) throw malformed("a chunk refers to what it does not have");
        for (const last = end + length; end < last; end++) into[end] = into[end - back];
      }
    }
    if (flags & 16) from.number(4);
  }
  if (end !== size) throw malformed("a chunk is shorter than it says");
  return into;
}

/** The messages of one or several files, in order of reception. */
export class Recording {
  /** Read errors for the user, each with its count. */
  #problems = new Map();
  names = new Map();
  /** Losses of the recorder, with the time of each report. */
  lost = [];
  #entries = [];
  #next = "";
  /** Id and part number from the last file's own metadata. */
  #id;
  #part = 0;
  /** Ranges (first, last) of parts that the recorder deleted. */
  #dropped = [];

  static async open(files) {
    // The first part has no number in its name. Part 1 must come first: later parts repeat its messages, which count
    // only if it is missing.
    const numbered = /^(.*)\.(\d{4,})(\.[^.]*)$/;
    const part = ({ name }) => Number(numbered.exec(name)?.[2] ?? 1);
    const all = [...files].sort((one, other) => part(one) - part(other) || (one.name < other.name ? -1 : 1));
    const made = new Recording();
    made.name = all.length > 3 ? `${all[0].name} and ${all.length - 1} more` : all.map(({ name }) => name).join(", ");
    if (all.reduce((size, { size: one }) => size + one, 0) > MOST) throw new LinkspanError("TooLarge", `${made.name}: a page opens recordings of 2 GiB at most; \`linkspan recording cut\` makes a smaller one`);
    const holes = [];
    for (const [at, file] of all.entries()) {
      const before = all[at - 1];
      const isOf = before?.name.replace(numbered, "$1$3") === file.name.replace(numbered, "$1$3");
      if (isOf && part(file) > part(before) + 1) holes.push([part(before) + 1, part(file) - 1, before.name]);
      made.#read(new Uint8Array(await file.arrayBuffer()), file.name, at === 0, part(file));
    }
    for (const [first, last, before] of holes) {
      const isDropped = made.#dropped.some(([from, to]) => from <= first && last <= to);
      if (!isDropped) made.#problem(`${before}: the recording goes on in ${last - first + 1} parts that are not there`);
    }
    if (made.#next) made.#problem(`${all.at(-1).name}: the recording goes on in ${made.#next}, which is not there`);
    const entries = made.#entries;
    if (entries.some(({ time }, at) => at && time < entries[at - 1].time)) entries.sort((one, other) => one.time - other.time);
    made.#losses();
    if (!entries.length) throw malformed(`${made.name} has no message that a page can show${made.problems.length ? `: ${made.problems.join("; ")}` : ""}`);
    return made;
  }
  /** One line per problem, with its count. */
  get problems() {
    return [...this.#problems].map(([what, count]) => (count > 1 ? `${what} (${count} times)` : what));
  }
  #problem(what) {
    this.#problems.set(what, (this.#problems.get(what) ?? 0) + 1);
  }
  get begin() {
    return this.#entries[0].time;
  }
  get end() {
    return this.#entries.at(-1).time;
  }
  get count() {
    return this.#entries.length;
  }

  #read(bytes, name, isFirst, place) {
    if (MAGIC.some((byte, at) => bytes[at] !== byte)) throw malformed(`${name} is no recording: it does not begin as files of MCAP do`);
    const channels = new Map();
    const schemas = new Map();
    this.#next = "";
    try {
      this.#records(bytes.subarray(MAGIC.length), { name, isFirst, place, channels, schemas, repeated: new Set(), hasOwn: false });
      const end = bytes.subarray(Math.max(bytes.length - MAGIC.length, MAGIC.length));
      if (MAGIC.some((byte, at) => end[at] !== byte)) this.#problem(`${name}: it was not closed: its recorder was killed, or is still at work`);
    } catch (error) {
      this.#problem(`${name}: ${error.message}; what stands before is shown`);
    }
  }
  #records(bytes, file) {
    const from = new Fields(bytes);
    while (from.at < bytes.length) {
      const code = from.number(1);
      const length = from.number(8);
      // An index and the end of a file repeat facts from before.
      if (code === 2 || code === 15) return;
      if (length > bytes.length - from.at) throw malformed("it ends within a record, as the file of a recorder that was killed does");
      const record = new Fields(from.block(Number(length)));
      if (code === CHUNK) {
        try {
          this.#records(this.#chunk(record), file);
        } catch (error) {
          this.#problem(`${file.name}: a chunk is left out: ${error.message}`);
        }
      } else if (code === SCHEMA) file.schemas.set(record.number(2), { name: record.text(), encoding: record.text(), text: text.decode(record.block()) });
      else if (code === CHANNEL) this.#channel(record, file);
      else if (code === MESSAGE) this.#message(record, file);
      else if (code === METADATA) this.#metadata(record, file);
    }
  }
  #metadata(record, { name: file, place }) {
    const name = record.text();
    if (!["linkspan.recording", "linkspan.dropped", "linkspan.end"].includes(name)) return;
    const about = record.texts();
    // In a copy, this metadata describes the parts of the original.
    if (name === "linkspan.dropped" && about.has("file")) return;
    if (name === "linkspan.end") this.#next = about.get("next") ?? "";
    for (const range of (about.get({ "linkspan.end": "dropped", "linkspan.dropped": "parts" }[name]) ?? "").split(",")) {
      const [first, last = first] = range.split("-").map(Number);
      if (first <= last && this.#dropped.length < 10_000) this.#dropped.push([first, last]);
    }
    const part = name === "linkspan.recording" ? Number(about.get("part")) : NaN;
    if (!Number.isSafeInteger(part)) return;
    // A file's metadata contains its part number. A copy of a part that was read adds nothing.
    if (about.get("id") === this.#id && part <= this.#part) throw malformed(`it says that it is part ${part} of the recording, which is none that comes here`);
    if (part !== place) this.#problem(`${file}: it says that it is part ${part} of the recording, and is in the place of part ${place}`);
    [this.#id, this.#part] = [about.get("id"), part];
  }
  #chunk(record) {
    record.number(8);
    record.number(8);
    const size = record.number(8);
    const crc = record.number(4);
    const compression = record.text();
    const inside = record.block(record.number(8));
    if (size > MOST) throw malformed(`it claims ${size} bytes`);
    const readers = { "": () => inside, lz4: () => lz4(inside, Number(size)) };
    if (!readers[compression]) throw new LinkspanError("Unsupported", `it is compressed by ${compression}, which a page does not read; \`linkspan recording cut FILE --compression none -o NEW\` writes a file without`);
    const records = readers[compression]();
    if (crc && sum(records) !== crc) throw malformed("its sum is another one");
    return records;
  }
  #channel(record, { channels, schemas }) {
    const [id, schema, topic, encoding, about] = [record.number(2), record.number(2), record.text(), record.text(), record.texts()];
    // A publisher may have this name too; its channels have an incarnation.
    const isEvents = topic === EVENTS && !about.has("linkspan.incarnation");
    const own = schemas.get(schema);
    const notation = about.get("linkspan.schema") ?? (own?.encoding === "linkspan" ? own.text : "");
    channels.set(id, { topic, encoding, first: BigInt(about.get("linkspan.first") ?? 0), isRepeated: about.get("linkspan.repeated") === "true", isEvents, incarnation: about.get("linkspan.incarnation") });
    if (isEvents) return;
    const known = this.names.get(topic) ?? { times: [], places: [] };
    this.names.set(topic, { ...known, schema: own?.name || known.schema, text: notation || known.text || "" });
  }
  #message(record, file) {
    const channel = file.channels.get(record.number(2));
    const sequence = record.number(4);
    const [time, sent] = [Number(record.number(8)) / 1e9, record.number(8)];
    if (!channel || (channel.isRepeated && this.#isRepeated(channel, file))) return;
    file.hasOwn ||= !channel.isRepeated && !channel.isEvents;
    // The record has the lower 32 bits; the channel's first number gives the rest.
    const number = channel.first + BigInt.asUintN(32, BigInt(sequence) - channel.first);
    this.#entries.push({ time, sent, number: Number(number), channel, body: record.bytes.subarray(record.at), missed: 0 });
  }
  /**
   * Whether a message repeats one from an earlier part. Later parts begin with one such message per name; other
   * messages of a channel marked as repeated are new.
   */
  #isRepeated(channel, { name, isFirst, hasOwn, repeated }) {
    if (isFirst) return false;
    if (!hasOwn && !repeated.has(channel.topic)) return Boolean(repeated.add(channel.topic));
    if (!channel.isSaid) this.#problem(`${name}: messages of ${channel.topic} are said to be repeated where none can be: they are shown`);
    return !(channel.isSaid = true);
  }
  /** Assigns each loss to the next message of its name, which it finds by time. */
  #losses() {
    const open = new Map();
    const shown = [];
    for (const entry of this.#entries) {
      const { topic, isEvents } = entry.channel;
      if (isEvents) {
        const { kind, name, count } = this.#event(entry.body);
        if (kind !== "missed" || !Number.isSafeInteger(count) || count <= 0) continue;
        open.set(name, (open.get(name) ?? 0) + count);
        this.lost.push({ time: entry.time, name, missed: count });
        continue;
      }
      const known = this.names.get(topic);
      known.times.push(entry.time);
      known.places.push(shown.length);
      entry.missed = open.get(topic) ?? 0;
      open.delete(topic);
      shown.push(entry);
    }
    this.#entries = shown;
  }
  #event(body) {
    try {
      return JSON.parse(text.decode(body)) ?? {};
    } catch {
      return {};
    }
  }
  /** The place of the first message received later than a time. */
  after(time) {
    return after(this.#entries.length, (place) => this.#entries[place].time, time);
  }
  /** The number of a name's messages received up to a time. */
  until(name, time) {
    const { times } = this.names.get(name);
    return after(times.length, (place) => times[place], time);
  }
  incarnationAt(place) {
    return this.#entries[place].channel.incarnation;
  }
  nameAt(place) {
    return this.#entries[place].channel.topic;
  }
  message(place, passed = 0) {
    const { channel, sent, number, body, missed } = this.#entries[place];
    const made = new Message({ name: channel.topic, number, time: new Timestamp(BigInt.asIntN(64, sent)) }, missed + passed);
    made.type = "message";
    try {
      if (channel.encoding === "cbor") made.value = decode(body);
      else if (channel.encoding === "json") made.value = parse(text.decode(body));
      else throw new LinkspanError("Unsupported", `a page shows no ${channel.encoding}; a recording in CBOR or JSON it does`);
    } catch (error) {
      made.error = error;
    }
    return made;
  }
}

/** The first place with a later time, by binary search. */
function after(length, timeOf, time) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(middle) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A subscription of a panel or the table. */
class Played {
  #items = [];
  #waiting;
  constructor(player, names, { latest, rate, events }) {
    this.player = player;
    this.names = new Set([names].flat());
    this.isLatest = latest || rate !== undefined;
    this.period = rate ? 1000 / rate : 0;
    this.due = 0;
    this.newest = new Map();
    this.isTold = events === true;
    /** The number of reported losses, and the incarnation of each name. */
    this.told = 0;
    this.programs = new Map();
  }
  wants(name) {
    return this.names.has("*") || this.names.has(name);
  }
  /** Delivers a message. A `joined` event precedes the first message of an incarnation. */
  give(place) {
    const { recording } = this.player;
    const [name, incarnation] = [recording.nameAt(place), recording.incarnationAt(place)];
    if (this.isTold && this.programs.get(name) !== incarnation) this.push({ type: "joined", name, incarnation });
    this.programs.set(name, incarnation);
    this.push(recording.message(place));
  }
  push(message) {
    this.#items.push(message);
    this.#waiting?.();
    this.#waiting = undefined;
  }
  async *[Symbol.asyncIterator]() {
    while (!this.isOver) {
      if (this.#items.length) yield this.#items.shift();
      else await new Promise((resolve) => (this.#waiting = resolve));
    }
  }
  close() {
    this.isOver = true;
    this.player.subscriptions.delete(this);
    this.#waiting?.();
  }
}

/** Plays a recording at any speed and from any time, driven by the page's frames. */
export class Player {
  subscriptions = new Set();
  isPlaying = false;
  speed = 1;
  #last = performance.now();

  constructor(recording, span) {
    this.recording = recording;
    this.span = span;
    this.position = recording.begin;
    this.place = recording.after(recording.begin);
  }
  /** Advances by the time since the last frame, unless the page is paused. */
  advance(isPaused = false) {
    const now = performance.now();
    const gone = Math.min(now - this.#last, 250) / 1000;
    this.#last = now;
    if (this.isPlaying && !isPaused) this.position = Math.min(this.position + gone * this.speed, this.recording.end);
    const end = this.recording.after(this.position);
    for (; this.place < end; this.place++) this.#give(this.place);
    for (const one of this.subscriptions) this.#flush(one, now);
    if (this.position >= this.recording.end) this.isPlaying = false;
  }
  #give(place) {
    const name = this.recording.nameAt(place);
    for (const one of this.subscriptions) {
      if (!one.wants(name)) continue;
      if (one.isLatest) one.newest.set(name, place);
      else one.give(place);
    }
  }
  #flush(one, now) {
    const { lost } = this.recording;
    for (; one.isLatest && one.isTold && one.told < lost.length && lost[one.told].time <= this.position; one.told++) {
      const { name, missed } = lost[one.told];
      if (one.wants(name) && this.recording.names.has(name)) one.push({ type: "lagged", name, missed });
    }
    if (!one.newest.size || now < one.due) return;
    one.due = now + one.period;
    for (const place of one.newest.values()) one.give(place);
    one.newest.clear();
  }
  /** Jumps to a time. Later subscriptions also get the messages that a plot shows from before it. */
  seek(time) {
    this.position = Math.min(Math.max(time, this.recording.begin), this.recording.end);
    this.place = this.recording.after(this.position);
  }
  subscribe(names, options = {}) {
    const made = new Played(this, names, options);
    this.subscriptions.add(made);
    if (made.isLatest) {
      // The newest message of each name, however old.
      for (const [name, { places }] of this.recording.names) {
        const count = made.wants(name) ? this.recording.until(name, this.position) : 0;
        if (count) made.newest.set(name, places[count - 1]);
      }
      return made;
    }
    // Subscriptions to every message get the messages of the span.
    for (let place = this.recording.after(this.position - this.span() - 1e-9); place < this.place; place++) if (made.wants(this.recording.nameAt(place))) made.give(place);
    return made;
  }
  async *follow() {
    yield this.listing();
  }
  /** The names with their rates before the current position. */
  listing() {
    const { recording, position } = this;
    const length = Math.min(position - recording.begin, WINDOW);
    const rate = (name) => (length < 1 ? null : (recording.until(name, position) - recording.until(name, position - length)) / length);
    return { names: [...recording.names].map(([name, { schema }]) => ({ name, pattern: "publish", rate: rate(name), schema })), gone: [] };
  }
  async schema(name) {
    return { schema: this.recording.names.get(name)?.text ?? "" };
  }
  close() {
    for (const one of this.subscriptions) one.close();
  }
}
