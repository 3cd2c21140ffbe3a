// The table of names: rate, missed messages, newest value with units, and trend. It can be grouped, sorted and
// filtered.
import { line, number, numbers, oneLine, at, suits, units } from "/values.js";

/** Points of a name's trend. */
const COURSE = 60;
const SVG = "http://www.w3.org/2000/svg";
/** The most characters of a pattern. With this bound, matching is linear in the name. */
const LONGEST = 1024;
/** Names that Linkspan's own programs publish. */
const OWN = ["bridge/status", "controller", "gateway/status"];
const [NAME, RATE, MISSED, VALUE, TREND, SCHEMA] = [0, 1, 2, 3, 4, 5];

/**
 * Returns a function that matches names with `*` and `?`; a pattern without them matches any part. It is not a
 * RegExp, because the pattern comes from the address.
 */
export function matcher(text) {
  const given = text.trim().slice(0, LONGEST) || "*";
  const pattern = [...(/[*?]/.test(given) ? given : `*${given}*`)];
  return (name) => {
    const characters = [...name];
    // After a mismatch, the last star takes one more character.
    let [star, taken] = [-1, 0];
    let place = 0;
    for (let from = 0; from < characters.length; ) {
      if (pattern[place] === "*") [star, taken] = [place++, from];
      else if (pattern[place] === "?" || (place < pattern.length && pattern[place] === characters[from])) place++, from++;
      else if (star < 0) return false;
      else [place, from] = [star + 1, ++taken];
    }
    while (pattern[place] === "*") place++;
    return place === pattern.length;
  };
}

const prefixOf = (name) => name.slice(0, name.lastIndexOf("/") + 1);

export class Names {
  rows = new Map();
  groups = new Map();
  order = { column: NAME, isDown: false };
  matches = matcher("");
  isStale = true;

  constructor(page, { table, none }) {
    this.page = page;
    this.table = table;
    this.body = table.tBodies[0];
    this.none = none;
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      const button = head.querySelector("button");
      if (button) button.onclick = () => this.sort(column);
    }
  }
  clear() {
    this.rows.clear();
    this.groups.clear();
    this.body.replaceChildren();
    this.none.hidden = false;
    this.isStale = true;
  }
  /** Forgets received data and keeps the rows in place. */
  rewind() {
    this.table.classList.remove("lossy");
    for (const known of this.rows.values()) this.write(Object.assign(known, { missed: 0, value: undefined, text: "", course: [], isNew: true }));
  }
  filter(text) {
    this.matches = matcher(text);
    this.isStale = true;
  }
  sort(column) {
    const isSame = this.order.column === column;
    this.order = { column, isDown: isSame ? !this.order.isDown : column !== NAME && column !== SCHEMA };
    for (const [at, head] of [...this.table.tHead.rows[0].cells].entries()) {
      if (at === column) head.setAttribute("aria-sort", this.order.isDown ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    this.isStale = true;
  }

  row(name) {
    let known = this.rows.get(name);
    if (known) return known;
    const element = document.createElement("tr");
    const cells = Array.from({ length: 6 }, () => element.appendChild(document.createElement("td")));
    const button = cells[NAME].appendChild(document.createElement("button"));
    button.type = "button";
    const prefix = button.appendChild(document.createElement("span"));
    prefix.className = "prefix";
    prefix.textContent = oneLine(prefixOf(name));
    button.append(oneLine(name.slice(prefixOf(name).length)));
    button.ariaLabel = oneLine(name);
    button.title = `Open a panel of ${oneLine(name)}`;
    button.onclick = () => this.page.open({ view: known.value === undefined ? "time" : suits(known.value), sources: [{ name }] }).title.scrollIntoView({ block: "nearest" });
    // SVG instead of a canvas: a canvas costs time in every frame, and this line changes once a second.
    const drawing = cells[TREND].appendChild(document.createElementNS(SVG, "svg"));
    for (const [key, value] of Object.entries({ viewBox: "0 0 104 20", preserveAspectRatio: "none", "aria-hidden": "true" })) drawing.setAttribute(key, value);
    known = { name, element, cells, missed: 0, course: [], line: drawing.appendChild(document.createElementNS(SVG, "path")) };
    this.rows.set(name, known);
    this.none.hidden = true;
    this.isStale = true;
    return known;
  }
  listed({ names, gone }) {
    for (const one of names) {
      // A name with a problem may have an unknown pattern; the value column shows the reason.
      if (one.pattern !== "publish" && !(one.problem && one.pattern == null)) continue;
      const known = this.row(one.name);
      if (known.problem && !one.problem) known.text = "";
      Object.assign(known, { isGone: false, problem: one.problem && oneLine(`${one.problem}: ${one.reason ?? ""}`), rate: one.rate ?? undefined, schema: one.schema ?? "" });
      this.write(known);
    }
    for (const name of gone) {
      const known = this.rows.get(name);
      // An ended program sends nothing.
      if (known) this.write(Object.assign(known, { isGone: true, rate: undefined }));
    }
  }
  received(message) {
    const known = this.row(message.name);
    if (this.page.isHeld) return void (known.value ??= message.value);
    known.value = message.value;
    if (known.schema && !known.units) this.ask(known);
    known.text = message.error ? oneLine(message.error.message) : line(message.value, 300, known.units);
    this.write(known);
    const first = numbers(message.value, 1)[0];
    if (first === undefined) return;
    known.course.push(number(at(message.value, first)));
    if (known.course.length > COURSE) known.course.shift();
    known.isNew = true;
  }
  lost(name, missed) {
    const known = this.row(name);
    known.missed += missed;
    this.write(known);
  }
  ask(known) {
    known.units = new Map();
    this.page.lab.schema(known.name).then(({ schema }) => {
      known.units = units(schema);
      if (known.units.size && known.value !== undefined) this.write(Object.assign(known, { text: line(known.value, 300, known.units) }));
    }, () => {});
  }
  /** Updates a row, unless the page is paused. */
  write(known) {
    if (this.page.isHeld) return;
    const { cells, rate, missed, problem, text = "", schema = "" } = known;
    known.element.classList.toggle("gone", known.isGone === true);
    const texts = { [RATE]: rate === undefined ? "" : rate.toFixed(rate < 100 ? 1 : 0), [MISSED]: missed ? String(missed) : "", [VALUE]: problem || text, [SCHEMA]: oneLine(schema) };
    for (const [column, shown] of Object.entries(texts)) if (cells[column].textContent !== shown) cells[column].textContent = cells[column].title = shown;
    if (missed) this.table.classList.add("lossy");
  }
  /** Updates all rows after a pause. */
  renew() {
    for (const known of this.rows.values()) this.write(known);
  }

  /** A row's sort keys, by column. */
  key({ name, rate, missed, value, schema = "" }) {
    const first = value === undefined ? undefined : numbers(value, 1)[0];
    return { [NAME]: name, [RATE]: rate ?? -1, [MISSED]: missed, [VALUE]: first === undefined ? -Infinity : number(at(value, first)), [SCHEMA]: schema }[this.order.column];
  }
  arrange() {
    const { column, isDown } = this.order;
    const keyed = [...this.rows.values()].map((known) => [this.key(known), known]);
    const sign = isDown ? -1 : 1;
    keyed.sort(([one, { name: first }], [other, { name: second }]) => (one < other ? -sign : one > other ? sign : first < second ? -1 : 1));
    const isGrouped = column === NAME && new Set(keyed.map(([, { name }]) => prefixOf(name))).size > 1;
    this.table.classList.toggle("grouped", isGrouped);
    const wanted = [];
    const counts = new Map();
    for (const [, known] of keyed) {
      const prefix = prefixOf(known.name);
      const group = isGrouped && prefix ? this.group(prefix) : undefined;
      if (group && !counts.has(group)) counts.set(group, 0), wanted.push([prefix, group.element]);
      const fits = this.matches(known.name);
      if (group && fits) counts.set(group, counts.get(group) + 1);
      known.element.hidden = !fits || group?.isClosed === true;
      wanted.push([prefix, known.element]);
    }
    for (const [group, count] of counts) {
      group.element.hidden = !count;
      group.count.textContent = ` ${count}`;
    }
    // Keeps names of a group together, even if another prefix sorts between them.
    if (isGrouped) wanted.sort(([one], [other]) => sign * (one < other ? -1 : one > other ? 1 : 0));
    let next = this.body.firstElementChild;
    for (const [, element] of wanted) {
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
    }
    while (next) {
      const after = next.nextElementSibling;
      next.remove();
      next = after;
    }
  }
  group(prefix) {
    let group = this.groups.get(prefix);
    if (group) return group;
    const element = document.createElement("tr");
    element.className = "group";
    const head = element.appendChild(Object.assign(document.createElement("th"), { colSpan: 2, scope: "rowgroup" }));
    const button = head.appendChild(Object.assign(document.createElement("button"), { type: "button", textContent: oneLine(prefix), ariaLabel: oneLine(prefix), ariaExpanded: "true" }));
    group = { element, count: head.appendChild(document.createElement("span")), isClosed: false };
    button.onclick = () => {
      group.isClosed = !group.isClosed;
      button.ariaExpanded = String(!group.isClosed);
      this.isStale = true;
    };
    this.groups.set(prefix, group);
    return group;
  }

  /** Draws changed rows, with a few trends per frame. */
  draw() {
    const now = performance.now();
    // Rows sorted by a changing column stay in place below the pointer.
    const isMoving = ![NAME, SCHEMA].includes(this.order.column) && !this.page.isHeld && now - (this.arranged ?? 0) > 1000 && !this.body.matches(":hover, :focus-within");
    if (this.isStale || isMoving) {
      this.isStale = false;
      this.arranged = now;
      this.arrange();
    }
    let left = 8;
    for (const known of this.rows.values()) {
      if (!known.isNew || left === 0 || known.element.hidden) continue;
      known.isNew = false;
      left--;
      known.line.setAttribute("d", course(known.course));
    }
  }
  /** The first name with a numeric value, excluding Linkspan's own names. */
  firstNumeric() {
    const found = [...this.rows.values()].filter(({ name, value, isGone }) => !isGone && this.matches(name) && !OWN.includes(name) && value !== undefined && suits(value) === "time");
    return found.map(({ name }) => name).sort()[0];
  }
}

function course(values) {
  const shown = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  let path = "";
  let isDown = false;
  for (const [at, value] of values.entries()) {
    const x = 2 + (at / Math.max(values.length - 1, 1)) * 100;
    const y = high > low ? 18 - ((value - low) / (high - low)) * 16 : 10;
    if (Number.isFinite(value)) path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = Number.isFinite(value);
  }
  return path;
}
