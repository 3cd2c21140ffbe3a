// Values as the page shows them: one line of text, the numbers inside, the units of a schema, CSV. What programs publish is foreign text: it is only ever set as text.
import { Decimal, NdArray, Timestamp, Uuid } from "/client.js";

/** Digits as a person reads them. */
export function digits(value) {
  if (typeof value === "bigint" || Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(4) : String(Number(value.toPrecision(7)));
}

// As the shell and the controller's page do: characters that end a line, change the direction of text or are not seen are escaped as in JSON, beyond 16 bits by a pair of surrogates.
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const INTERPRETED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const escaped = (c) => ESCAPES[c] ?? c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");

/** A text of a program on one line, as it is shown wherever the page shows one. */
export function oneLine(text) {
  return String(text).replace(INTERPRETED, escaped);
}

/** The same with its lines and tabs, where they are shown. */
export function severalLines(text) {
  return String(text).replace(INTERPRETED, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

/** A value as one line as it is shown, and not much longer than `most` characters. */
export function line(value, most = 300) {
  return oneLine(plain(value, most));
}

/** A value as a text for a table. */
function plain(value, most) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" || typeof value === "bigint") return digits(value);
  if (typeof value === "string") return value.length > most ? `${value.slice(0, most)}…` : value;
  if (value instanceof Timestamp || value instanceof Uuid || value instanceof Decimal) return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const array = value instanceof NdArray ? value : ArrayBuffer.isView(value) ? new NdArray(value) : undefined;
  if (array) return `${array.dtype} [${array.shape.join(" × ")}]`;
  const isList = Array.isArray(value);
  let text = "";
  for (const [key, part] of Object.entries(value)) {
    if (text.length > most) return `${isList ? "[" : "{"}${text}…`;
    text += `${text ? ", " : ""}${isList ? "" : `${plain(key, 60)}: `}${plain(part, 60)}`;
  }
  return isList ? `[${text}]` : `{${text}}`;
}

/** The array that a value is, or that is a field of it: as an NdArray. */
export function arrayOf(value, path = "") {
  const found = at(value, path);
  if (found instanceof NdArray) return found;
  if (ArrayBuffer.isView(found) && !(found instanceof DataView)) return new NdArray(found);
  if (Array.isArray(found) && found.length && found.every((one) => typeof one === "number")) return new NdArray(Float64Array.from(found));
  return null;
}

export function at(value, path) {
  if (!path) return value;
  for (const key of path.split("/")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Walks the leaves of a map or a list, with their paths. */
export function* leaves(value, path = "", depth = 0) {
  const isMap = typeof value === "object" && value !== null && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);
  if (!isMap || depth > 6) {
    yield [path, value];
    return;
  }
  for (const [key, part] of Object.entries(value).slice(0, 64)) if (!key.includes("/")) yield* leaves(part, path ? `${path}/${key}` : key, depth + 1);
}

export function number(value) {
  if (typeof value === "number") return value;
  if (typeof value === "boolean" || typeof value === "bigint") return Number(value);
  return value instanceof Decimal ? Number(value.text) : undefined;
}

/** The paths of the numbers in a value. */
export function numbers(value) {
  const found = [];
  for (const [path, leaf] of leaves(value)) {
    if (number(leaf) !== undefined) found.push(path);
    if (found.length === 64) break;
  }
  return found;
}

/** Which view suits a value. */
export function suits(value) {
  const array = arrayOf(value);
  if (array) return isPicture(array) ? "image" : "line";
  if (numbers(value).length) return "time";
  if (typeof value === "string") return "log";
  for (const [, leaf] of leaves(value)) {
    const inner = arrayOf(leaf);
    if (inner) return isPicture(inner) ? "image" : "line";
  }
  return "tree";
}

export function isPicture({ shape, dtype }) {
  return !dtype.startsWith("c") && ((shape.length === 2 && shape[0] > 1 && shape[1] > 1) || (shape.length === 3 && dtype === "u8" && (shape[2] === 3 || shape[2] === 4)));
}

/** The path of the first array in a value. */
export function firstArray(value) {
  for (const [path, leaf] of leaves(value)) if (arrayOf(leaf)) return path;
  return arrayOf(value) ? "" : undefined;
}

/** The units that a schema gives to its fields, by path. */
export function units(text) {
  const found = new Map();
  let section = "";
  for (const row of text.split("\n")) {
    const header = /^\s*\[([^\]]+)\]/.exec(row);
    if (header) section = header[1].trim();
    const unit = /\bunit\s*=\s*"([^"]*)"/.exec(row);
    if (!unit) continue;
    const inline = /^\s*"?([\w-]+)"?\s*=\s*\{/.exec(row);
    const path = `${section}${inline ? `.${inline[1]}` : ""}`.split(".").filter((part) => part !== "fields" && part !== "columns");
    found.set(path.map((part) => part.replaceAll('"', "")).join("/"), unit[1]);
  }
  return found;
}

// What a table program does not show in front of a formula, and the forms of a sign that it reads as the sign: as `linkspan recording export --csv` has them.
const UNSEEN = /^[\p{Cc}\p{Z}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+/u;
const SIGN = /^[=+\-@\u2010-\u2015\u207a-\u207c\u208a-\u208c\u2212\u2a75\u2a76\ufb29\ufe31\ufe32\ufe58\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]/u;

/** A cell of CSV; a text that a table program would take for a formula is made one that is none. */
export function cell(value) {
  let text = typeof value === "string" ? value : plain(value, 10000);
  const bare = text.replace(/^'+/, "");
  const isNumber = Number.isFinite(value) || typeof value === "bigint";
  if (!isNumber && (/^[\t\r\n]/.test(bare) || SIGN.test(bare.replace(UNSEEN, "")))) text = `'${text}`;
  return /[",;\t\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
