// The newest numbers of a name against time, with every digit and the gaps between them.
import { Timestamp } from "/client.js";

/** An unknown number of messages was missed. */
export const UNKNOWN = 0xffffffff;
/** Another program took the name, and no message was missed. */
export const RESTARTED = 0xfffffffe;
/** The most points of all lines of the page. A point takes 22 bytes. */
export const POINTS = 2 ** 22;

export class Series {
  constructor(size = 2048) {
    this.resize(size);
    /** Values that do not fit a float, by place; `null` for a message without this number. */
    this.exact = new Map();
    /** The place of the next point: the count of all points so far. */
    this.end = 0;
  }
  resize(size) {
    const before = this.size;
    // Times are seconds; `rests` has the nanoseconds that a float rounds away.
    for (const [key, type] of [["times", Float64Array], ["rests", Int16Array], ["values", Float64Array], ["missed", Uint32Array]]) {
      const old = this[key];
      this[key] = new type(size);
      for (let place = before ? this.start : 0; place < (before ? this.end : 0); place++) this[key][place % size] = old[place % before];
    }
    this.size = size;
  }
  get start() {
    return Math.max(0, this.end - this.size);
  }
  /** Adds a message's number; `exact` is the value if a float cannot hold it. */
  push(time, value, missed, exact) {
    const at = this.end % this.size;
    const seconds = time.seconds;
    this.times[at] = seconds;
    this.rests[at] = Number(time.nanoseconds - BigInt(Math.round(seconds * 1e9)));
    this.values[at] = value;
    this.missed[at] = missed === UNKNOWN ? UNKNOWN : Math.min(missed, RESTARTED);
    if (this.exact.size) this.exact.delete(this.end - this.size);
    if (exact !== undefined) this.exact.set(this.end, exact);
    this.end++;
  }
  /** The place of the first point at or after a time. */
  find(time) {
    let [low, high] = [this.start, this.end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle % this.size] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  /** The exact number at a place; `null` for a message without it. */
  at(place) {
    const exact = this.exact.get(place);
    return exact === undefined ? this.values[place % this.size] : exact;
  }
  /** The last number at or before a time. */
  valueAt(time) {
    const place = this.find(time + 1e-9) - 1;
    return place < this.start ? undefined : this.at(place);
  }
  timeAt(place) {
    const at = place % this.size;
    return new Timestamp(BigInt(Math.round(this.times[at] * 1e9)) + BigInt(this.rests[at]));
  }
}
