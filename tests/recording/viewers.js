// Prints the messages in CDR of a recording, by name, as the code of Lichtblick reads them: node viewers.js NODE_MODULES FILE.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const [modules, path] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const { parse } = load("@lichtblick/rosmsg");
const { MessageReader } = load("@lichtblick/rosmsg2-serialization");
const { McapStreamReader } = load("@mcap/core");

// Replaces values that JSON cannot express.
const plain = (key, value) => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : { big: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  // With an exponent: without it Python reads it as an integer.
  if (typeof value === "number" && Math.abs(value) > 2 ** 53) return { big: value.toExponential() };
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return value;
};

const reader = new McapStreamReader();
reader.append(readFileSync(path));
const [schemas, channels, decoders, found] = [new Map(), new Map(), new Map(), {}];
for (let record; (record = reader.nextRecord()); ) {
  if (record.type === "Schema") schemas.set(record.id, record);
  if (record.type === "Channel") channels.set(record.id, record);
  if (record.type !== "Message") continue;
  const { topic, messageEncoding, schemaId } = channels.get(record.channelId);
  if (messageEncoding !== "cdr") continue;
  if (!decoders.has(schemaId)) {
    const { encoding, data } = schemas.get(schemaId);
    if (encoding !== "ros2msg") throw new Error(encoding);
    decoders.set(schemaId, new MessageReader(parse(new TextDecoder().decode(data), { ros2: true })));
  }
  (found[topic] ??= []).push(decoders.get(schemaId).readMessage(record.data));
}
// Integers beyond 2^53 are written as they are, which Python reads.
const text = JSON.stringify(found, plain).replace(/\{"big":"(-?[\d.]+(?:e\+\d+)?)"\}/g, "$1");
process.stdout.write(text);
