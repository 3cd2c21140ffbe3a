// Values as the page shows them: one-line texts, contained numbers, units of a schema, CSV. Published values are
// foreign text; the page only sets them as text.
import { Decimal, NdArray, Timestamp, Uuid } from "/client.js";
import { stringify } from "/json.js";

/** Formats a number for the screen. Integers and decimals are never rounded. */
export function digits(value) {
  if (typeof value !== "number" || Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(4) : String(Number(value.toPrecision(7)));
}

// Escapes as in the shell and the controller's page: line ends, direction changes and invisible characters become
// JSON escapes, beyond 16 bits a pair of surrogates.
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const INTERPRETED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const escaped = (c) => ESCAPES[c] ?? c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");

/** A program's text on one line, in the escaped form of the whole page. */
export function oneLine(text) {
  return String(text).replace(INTERPRETED, escaped);
}

/** As `oneLine`, but keeps line breaks and tabs. */
export function severalLines(text) {
  return String(text).replace(INTERPRETED, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

/** A value on one line of roughly `most` characters. */
export function line(value, most = 300, units = undefined) {
  return oneLine(plain(value, most, units, ""));
}

const isScalar = (value) => ["boolean", "number", "bigint"].includes(typeof value) || value instanceof Timestamp || value instanceof Uuid || value instanceof Decimal;
/** Whether a value is a map or a list. */
export const isTree = (value) => typeof value === "object" && value !== null && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

/** A value as a text for the screen, with the units of its numbers. */
function plain(value, most, units, path) {
  const unit = units?.get(path);
  if (unit && (number(value) !== undefined || arrayOf(value))) return `${plain(value, most)} ${plain(unit, 40)}`;
  if (value == null) return String(value);
  if (isScalar(value)) return digits(value);
  if (typeof value === "string") return value.length > most ? `${value.slice(0, most)}…` : value;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const array = value instanceof NdArray ? value : ArrayBuffer.isView(value) ? new NdArray(value) : undefined;
  if (array) return `${array.dtype} [${array.shape.join(" × ")}]`;
  const isList = Array.isArray(value);
  let text = "";
  for (const [key, part] of Object.entries(value)) {
    if (text.length > most) return `${isList ? "[" : "{"}${text}…`;
    text += `${text ? ", " : ""}${isList ? "" : `${plain(key, 60)}: `}${plain(part, 60, units, join(path, key))}`;
  }
  return isList ? `[${text}]` : `{${text}}`;
}

/** A value or its field as NdArray, if it is an array. */
export function arrayOf(value, path = "") {
  const found = at(value, path);
  if (found instanceof NdArray) return found;
  if (ArrayBuffer.isView(found) && !(found instanceof DataView)) return new NdArray(found);
  if (Array.isArray(found) && found.length && found.every((one) => typeof one === "number")) return new NdArray(Float64Array.from(found));
  return null;
}

// A path joins keys with "/". An empty key or a key with "/" is escaped as in a JSON pointer.
const join = (path, key) => `${path ? `${path}/` : ""}${key === "" ? "~2" : key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
const keyOf = (part) => (part.includes("~") ? part.replaceAll("~2", "").replaceAll("~1", "/").replaceAll("~0", "~") : part);
/** A path in readable form. */
export const readable = (path) => path.split("/").map(keyOf).join("/");

export function at(value, path) {
  if (!path) return value;
  for (const part of path.split("/")) {
    const key = keyOf(part);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Iterates over the leaves of a map or a list, with their paths. */
export function* leaves(value, path = "") {
  if (!isTree(value)) yield [path, value];
  else for (const key of Object.keys(value)) yield* leaves(value[key], join(path, key));
}

export function number(value) {
  if (typeof value === "number") return value;
  if (typeof value === "boolean" || typeof value === "bigint") return Number(value);
  return value instanceof Decimal ? Number(value.text) : undefined;
}

/** The digits of a long integer or decimal, which a float cannot hold. */
export const exact = (value) => (typeof value === "bigint" || value instanceof Decimal ? value : undefined);

/** The paths of the first numbers in a value. */
export function numbers(value, most = 1000) {
  const found = [];
  for (const [path, leaf] of leaves(value)) {
    if (number(leaf) !== undefined) found.push(path);
    if (found.length === most) break;
  }
  return found;
}

/** The paths of the first arrays in a value. */
export function arrays(value, path = "", found = []) {
  if (arrayOf(value)) found.push(path);
  else if (isTree(value)) for (const key of Object.keys(value)) if (found.length < 100) arrays(value[key], join(path, key), found);
  return found;
}

/** The view that suits a value. */
export function suits(value) {
  const [path] = arrays(value);
  if (path !== "" && numbers(value, 1).length) return "time";
  if (typeof value === "string") return "log";
  if (path === undefined) return "tree";
  return isPicture(arrayOf(value, path)) ? "image" : "line";
}

export function isPicture({ shape, dtype }) {
  return (shape.length === 2 && shape[0] > 1 && shape[1] > 1) || (shape.length === 3 && dtype === "u8" && (shape[2] === 3 || shape[2] === 4));
}

const isComplex = ({ dtype }) => dtype.startsWith("c");
const ofComplex = ({ data }, what) => Float64Array.from({ length: data.length / 2 }, (_, place) => what(data[2 * place], data[2 * place + 1]));

/** An array with one number per element: magnitudes for a complex array. */
export const magnitudes = (array) => (isComplex(array) ? new NdArray(ofComplex(array, Math.hypot), array.shape, { order: array.order }) : array);

/** The lines of an array, with the meaning of each. */
export function parts(array) {
  if (!isComplex(array)) return [["", array.data]];
  return [["real", ofComplex(array, (real) => real)], ["imaginary", ofComplex(array, (_, imaginary) => imaginary)], ["magnitude", ofComplex(array, Math.hypot)]];
}

/** The units of a schema's fields, by path. */
export function units(text) {
  const found = new Map();
  let section = "";
  for (const row of text.split("\n")) {
    const header = /^\s*\[([^\]]+)\]/.exec(row);
    if (header) section = header[1].trim();
    const unit = /\bunit\s*=\s*"([^"]*)"/.exec(row);
    if (!unit) continue;
    const inline = /^\s*("[^"]*"|[\w-]+)\s*=\s*\{/.exec(row);
    const parts = `${section}${inline ? `.${inline[1]}` : ""}`.match(/"[^"]*"|[^."]+/g) ?? [];
    const path = parts.filter((part) => part !== "fields" && part !== "columns").reduce((all, part) => join(all, part.replaceAll('"', "")), "");
    found.set(path, unit[1]);
  }
  return found;
}

// Characters that spreadsheets ignore before a formula, and the variants of a sign that they accept. The list is that
// of `linkspan recording export --csv`.
const UNSEEN = /^[\p{Cc}\p{Z}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+/u;
const SIGN = /^[=+\-@\u2010-\u2015\u207a-\u207c\u208a-\u208c\u2212\u2a75\u2a76\ufb29\ufe31\ufe32\ufe58\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]/u;

/**
 * A CSV cell with every digit. A text that a spreadsheet would read as a formula is prefixed, to make it plain text.
 */
export function cell(value) {
  if (value == null) return "";
  if (value === "") return '""';
  let text = typeof value === "string" ? value : Object.is(value, -0) ? "-0" : isScalar(value) ? String(value) : stringify(value);
  const bare = text.replace(/^'+/, "");
  const isNumber = Number.isFinite(value) || typeof value === "bigint" || (value instanceof Decimal && !Number.isNaN(Number(text)));
  if (!isNumber && (/^[\t\r\n]/.test(bare) || SIGN.test(bare.replace(UNSEEN, "")))) text = `'${text}`;
  return /[",;\t\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
