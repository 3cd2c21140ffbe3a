// Every vector of the value model, in CBOR and in JSON: `node --test vectors.test.js`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
// The readable modules, or the package's modules with LINKSPAN_CLIENT=min.
const modules = `../../../clients/js/${process.env.LINKSPAN_CLIENT ?? "."}`;
const { Decimal, Float, NdArray, Timestamp, Uuid, decode, encode } = await import(`${modules}/client.js`);
const { parse, stringify } = await import(`${modules}/json.js`);

const read = (name) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url)));
const hex = (text) => Buffer.from(text, "hex");
const toHex = (bytes) => Buffer.from(bytes).toString("hex");
const exact = { exact: true };

function refused(what, kind, code, name) {
  assert.throws(what, (error) => {
    assert.equal(error.name, "LinkspanError", `${name}: ${error.stack}`);
    if (kind) assert.deepEqual([error.kind, error.code], [kind, code], `${name}: ${error.message}`);
    return true;
  }, name);
}

test("values", () => {
  const cases = read("values.json");
  assert.ok(cases.length >= 300);
  for (const { name, json, cbor } of cases) {
    assert.equal(toHex(encode(decode(hex(cbor), exact))), cbor, name);
    assert.equal(stringify(parse(json, exact)), json, name);
    assert.equal(toHex(encode(parse(json, exact))), cbor, name);
    assert.equal(stringify(decode(hex(cbor), exact)), json, name);
    // Both decode to equal values of JavaScript.
    assert.equal(toHex(encode(parse(json))), toHex(encode(decode(hex(cbor)))), name);
  }
});

test("other bytes that mean the same", () => {
  for (const { encoding, hex: bytes, json, why } of read("accepted.json")) {
    if (encoding === "cbor") assert.equal(stringify(decode(hex(bytes), exact)), json, why);
    if (encoding === "json") assert.equal(stringify(parse(hex(bytes), exact)), json, why);
  }
});

test("bytes that are refused", () => {
  for (const { encoding, hex: bytes, kind, code, why } of read("invalid.json")) {
    const from = { cbor: decode, json: parse }[encoding];
    if (from) for (const options of [{}, exact]) refused(() => from(hex(bytes), options), kind, code, why);
  }
});

test("CBOR that others made", () => {
  for (const { hex: bytes, reason } of read("cbor/malformed.json")) refused(() => decode(hex(bytes)), null, null, reason);
  for (const { hex: bytes, diagnostic, roundtrip } of read("cbor/appendix_a.json")) {
    let value;
    try {
      value = decode(hex(bytes), exact);
    } catch (error) {
      assert.equal(error.kind, "Unsupported", diagnostic);
      continue;
    }
    // Floats are written in 64 bits, and times with nanoseconds.
    if (roundtrip && !/[.NI]|^1\(/.test(diagnostic)) assert.equal(toHex(encode(value)), bytes, diagnostic);
  }
  for (const { name, hex: bytes, dtype, shape, order, values } of read("cbor/typed_arrays.json")) {
    if (dtype === "float128") {
      refused(() => decode(hex(bytes)), "Unsupported", 116, name);
      continue;
    }
    const value = decode(hex(bytes));
    const array = value instanceof NdArray ? value : new NdArray(value);
    assert.deepEqual(array.shape, shape, name);
    if (shape.length > 1) assert.equal(array.order, order, name);
    const compare = (expected, indices) => {
      if (Array.isArray(expected)) return expected.forEach((one, at) => compare(one, [...indices, at]));
      const found = array.at(...indices);
      if (typeof found === "bigint") assert.equal(found, BigInt(expected), name);
      else assert.ok(Object.is(found, typeof expected === "boolean" ? Number(expected) : Number(expected)), `${name}: ${found} ${expected}`);
    };
    compare(values, []);
  }
});

test("JSON that others made", () => {
  for (const { name, expect, bytes_base64: text } of read("json/jsontestsuite.json")) {
    let accepted = true;
    try {
      parse(Buffer.from(text, "base64"));
    } catch (error) {
      assert.equal(error.name, "LinkspanError", `${name}: ${error.stack}`);
      accepted = false;
    }
    // Every language refuses a repeated key.
    if (expect !== "either" && !name.includes("duplicated_key")) assert.equal(accepted, expect === "accept", name);
  }
});

test("every cut and every changed byte is refused or a value", () => {
  for (const { cbor } of read("values.json").filter(({ cbor }) => cbor.length < 400)) {
    const bytes = hex(cbor);
    for (let at = 0; at < bytes.length; at++) {
      for (const changed of [bytes.subarray(0, at), Buffer.concat([bytes.subarray(0, at), Buffer.from([bytes[at] ^ 0x55]), bytes.subarray(at + 1)])]) {
        try {
          decode(changed, exact);
        } catch (error) {
          assert.equal(error.name, "LinkspanError", `${toHex(changed)}: ${error.stack}`);
        }
      }
    }
  }
});

test("what JavaScript has in hand", () => {
  const back = (value) => decode(encode(value));
  assert.deepEqual(back({ a: 1, b: undefined, c: [null, true, "é😀", -5] }), { a: 1, c: [null, true, "é😀", -5] });
  assert.deepEqual(back(new Map([["x", new Set([1, 2])]])), { x: [1, 2] });
  assert.equal(back(2 ** 53), 2 ** 53);
  assert.equal(toHex(encode(2 ** 53)).slice(0, 2), "fb");
  assert.equal(back(9007199254740993n), 9007199254740993n);
  assert.equal(back(5n), 5);
  assert.ok(Object.is(back(-0), -0));
  assert.equal(toHex(encode(7)), "07");
  assert.equal(toHex(encode(new Float(7))).slice(0, 2), "fb");
  assert.equal(back(new Date(1500)).toString(), "1970-01-01T00:00:01.500Z");
  assert.equal(Timestamp.from("2009-08-24T04:46:40.25+02:00").toDate().toISOString(), "2009-08-24T02:46:40.250Z");
  assert.ok(back(new Float64Array([1, 2])) instanceof Float64Array);
  assert.ok(back(new Uint8Array([1, 2])) instanceof Uint8Array);
  assert.deepEqual(back(new NdArray(new Uint16Array(6), [2, 3])).shape, [2, 3]);
  assert.equal(new NdArray(new Uint8Array([1, 2, 3, 4, 5, 6]), [2, 3], { order: "column" }).at(1, 2), 6);
  assert.equal(new NdArray(new Uint8Array([1, 2, 3, 4, 5, 6]), [2, 3]).at(1, 0), 4);
  assert.equal(String(new Decimal("1.10")), "1.10");
  assert.equal(String(new Uuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8")), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  const polluted = decode(encode(new Map([["__proto__", { evil: 1 }]])));
  assert.equal({}.evil, undefined);
  assert.equal(Object.getPrototypeOf(polluted), Object.prototype);
  assert.deepEqual(Object.keys(polluted), ["__proto__"]);
  const cycle = {};
  cycle.a = cycle;
  for (const [value, kind, path] of [
    [{ a: [0, { b: () => 1 }] }, "Unsupported", "a/1/b"], [cycle, "TooLarge"], ["\ud800", "Malformed", ""], [{ x: [undefined] }, "Unsupported", "x/0"], [new (class Thing {})(), "Unsupported", ""],
    [new Map([[1, 2]]), "Unsupported", ""], [{ a: new Date(NaN) }, "Malformed", "a"], [Symbol("s"), "Unsupported", ""], [{ a: Promise.resolve(1) }, "Unsupported", "a"],
  ]) {
    for (const to of [encode, stringify]) {
      assert.throws(() => to(value), (error) => error.name === "LinkspanError" && error.kind === kind && (path === undefined || to === stringify || error.path === path), `${kind} ${path}`);
    }
  }
  for (const [make, kind] of [
    [() => new NdArray(new Uint8Array(5), [2, 3]), "Malformed"], [() => new NdArray([1, 2]), "WrongType"], [() => new Uuid("x"), "Malformed"], [() => new Decimal("1,5"), "Malformed"],
    [() => Timestamp.from("2026-02-30T00:00:00Z"), "Malformed"], [() => new Timestamp(1n << 63n), "OutOfRange"], [() => new NdArray(new Float32Array(3), undefined, { dtype: "u8" }), "WrongType"],
  ]) assert.throws(make, (error) => error.kind === kind);
});
