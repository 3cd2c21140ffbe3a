// Runtime of code from `linkspan schema generate --lang typescript`: checks a received value against a table of the
// schema's types.
import { Decimal, LinkspanError, Message, NdArray, Timestamp, Uuid } from "./client.js";
import { parse } from "./json.js";

const VECTORS = [
  [Uint16Array, "u16"], [Uint32Array, "u32"], [BigUint64Array, "u64"], [Int8Array, "i8"], [Int16Array, "i16"], [Int32Array, "i32"], [BigInt64Array, "i64"],
  [Float32Array, "f32"], [Float64Array, "f64"],
];
const CLASSES = { timestamp: Timestamp, uuid: Uuid, decimal: Decimal, bytes: Uint8Array };

/** Returns a function that reads values of the type `root`. `{is: "type", at}` refers to an element of `types`. */
export function reader(fingerprint, types, root) {
  return (value) => {
    if (value instanceof Message) {
      if (value.schema && !fingerprint.startsWith(value.schema)) {
        throw new LinkspanError("SchemaMismatch", `${value.name} was sent with the schema ${value.schema}…, and this code was generated from ${fingerprint.slice(0, 16)}…: generate it again from the schema of the sender`);
      }
      value = value.value;
    }
    return read(value, root, types, []);
  };
}

function described(value) {
  if (value === null) return "null";
  return typeof value === "object" ? Object.getPrototypeOf(value)?.constructor?.name ?? "a map" : typeof value;
}

function read(value, type, types, path) {
  const fail = (kind, text) => {
    const at = path.join("/");
    return new LinkspanError(kind, at ? `at ${at}: ${text}` : text, { path: at });
  };
  const wrong = (wanted) => fail("WrongType", `${wanted} is expected, and not ${described(value)}`);
  const inside = (key, inner, of) => {
    path.push(key);
    const made = read(inner, of, types, path);
    path.pop();
    return made;
  };
  const isMap = () => typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  switch (type.is) {
    case "type":
      return read(value, types[type.at], types, path);
    case "any":
      return value;
    case "bool":
      if (typeof value !== "boolean") throw wrong("true or false");
      return value;
    case "text":
      if (typeof value !== "string") throw wrong("a text");
      return value;
    case "enum":
      if (!type.values.includes(value)) throw fail("WrongType", `one of ${type.values.join(", ")} is expected, and not ${JSON.stringify(value)?.slice(0, 80)}`);
      return value;
    case "f32":
    case "f64":
      if (typeof value === "bigint") throw fail("OutOfRange", `a float does not hold ${value}`);
      if (typeof value !== "number") throw wrong("a number");
      if (type.is === "f32" && Number.isFinite(value) && Math.fround(value) !== value && !Number.isFinite(Math.fround(value))) throw fail("OutOfRange", `a float of 32 bits does not hold ${value}`);
      return value;
    case "bytes":
    case "timestamp":
    case "uuid":
    case "decimal":
      if (!(value instanceof CLASSES[type.is])) throw wrong(`a value ${type.is}`);
      return value;
    case "list":
      if (!Array.isArray(value)) throw wrong("a list");
      return value.map((one, at) => inside(at, one, type.of));
    case "map": {
      if (!isMap()) throw wrong("a map");
      const made = Object.entries(value).map(([key, one]) => [key, inside(key, one, type.of)]);
      return Object.fromEntries(made);
    }
    case "ndarray":
      return array(value, type, wrong);
    case "record":
    case "table":
      if (!isMap()) throw wrong("a map");
      return fields(value, type, inside, fail);
    case "union": {
      const keys = isMap() ? Object.keys(value) : [];
      const variant = keys.length === 1 && type.fields.find(({ key }) => key === keys[0]);
      if (!variant) throw wrong(`a map with exactly one of ${type.fields.map(({ key }) => key).join(", ")}`);
      return { [variant.key]: inside(variant.key, value[variant.key], variant.of) };
    }
    default: {
      // An integer type with a range.
      if (typeof value !== "bigint" && !Number.isSafeInteger(value)) throw wrong(`an integer ${type.is}`);
      const [low, high] = type.range;
      if (value < low || value > high) throw fail("OutOfRange", `${value} is not in the range of ${type.is}, ${low} to ${high}`);
      return value;
    }
  }
}

function fields(value, type, inside, fail) {
  const made = {};
  for (const { key, of, aliases = [], optional, default: otherwise } of type.fields) {
    const found = [key, ...aliases].find((name) => Object.hasOwn(value, name));
    const given = found === undefined ? undefined : value[found];
    if (given === undefined || (given === null && (optional || otherwise !== undefined) && of.is !== "any")) {
      if (otherwise !== undefined) made[key] = parse(otherwise);
      else if (!optional) throw fail("Missing", `the field ${key} is missing`);
      continue;
    }
    try {
      made[key] = inside(key, given, of);
    } catch (error) {
      // A variant from a newer schema.
      if (otherwise === undefined || typeof given !== "string" || error.kind !== "WrongType" || typeof parse(otherwise) !== "string") throw error;
      made[key] = parse(otherwise);
    }
  }
  return made;
}

function array(value, { dtype, shape, order }, wrong) {
  const lengths = (all) => `[${all.map((one) => one ?? "any").join(", ")}]`;
  const wanted = `an array of ${dtype}${shape ? ` with the shape ${lengths(shape)}` : ""}${order ? `, in ${order} order` : ""}`;
  const vector = VECTORS.find(([Elements]) => value instanceof Elements);
  const own = vector ? { dtype: vector[1], shape: [value.length], order: "row" } : value instanceof NdArray ? value : null;
  if (!own || own.dtype !== dtype) throw wrong(wanted);
  const fits = !shape || (shape.length === own.shape.length && shape.every((one, at) => one === null || one === own.shape[at]));
  if (!fits || (order && own.order !== order && own.shape.length > 1)) throw wrong(wanted);
  return value;
}
