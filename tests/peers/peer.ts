// The peer in TypeScript. See README.md. LINKSPAN_GATEWAY has the gateway's address with a token.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { LinkspanError, connect, decode, encode, type Lab, type Value } from "linkspan-client";
import { parse } from "linkspan-client/json";

interface Case {
  name: string;
  json: string;
  cbor: string;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

function fail(text: string): never {
  console.log(text);
  process.exit(1);
}

/** Returns the vectors, and the value of each with its encoding's details. */
function readAll(encoding: string, file: string): [Case, Value][] {
  const cases: Case[] = JSON.parse(readFileSync(file, "utf8"));
  return cases.map((one) => [one, (encoding === "json" ? parse(one.json, { exact: true }) : decode(bytes(one.cbor), { exact: true })) as Value]);
}

/** Compares as values of JavaScript, which does not distinguish a whole float from an integer. */
function same({ name, cbor }: Case, got: unknown): void {
  const [expected, found] = [hex(encode(decode(bytes(cbor)) as Value)), hex(encode(got as Value))];
  if (found !== expected) fail(`${name}: expected ${expected.slice(0, 200)}, got ${found.slice(0, 200)}`);
}

async function failure(lab: Lab, name: string, what: string): Promise<LinkspanError> {
  try {
    await lab.call(name, { peer: what });
  } catch (error) {
    if (error instanceof LinkspanError && error.kind === "Remote") return error;
    throw error;
  }
  fail(`${what}: a failure was asked for, and none came`);
}

async function call(lab: Lab, name: string, all: [Case, Value][]): Promise<void> {
  for (const [one, value] of all) same(one, await lab.call(name, value));
  const { failure: found } = await failure(lab, name, "fail");
  if (JSON.stringify([found?.code, found?.kind, found?.text, found?.data]) !== '[7,"peer.fail","asked to fail",[1,2]]') fail(`another failure came: ${JSON.stringify(found)}`);
  const dropped = await failure(lab, name, "drop");
  if (dropped.failure?.kind !== "linkspan.unanswered") fail(`another failure came: ${dropped}`);
  console.log(`${all.length} called, 2 failed`);
}

async function publish(lab: Lab, name: string, all: [Case, Value][]): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const out = await lab.publisher(name);
  for (const [at, [one, value]] of all.entries()) {
    await out.send(value);
    if (at === 0) console.log("ready");
    const { value: line } = await lines.next();
    if (line !== "received") fail(`${one.name}: it was not received: ${line}`);
  }
  console.log(`${all.length} published`);
}

async function subscribe(lab: Lab, name: string, all: [Case, Value][]): Promise<void> {
  const messages = lab.subscribe(name);
  for (const [one] of all) {
    const { value: message } = await messages.next();
    if (message.missed) fail(`${one.name}: ${message.missed} messages were missed before it`);
    if (message.error) fail(`${one.name}: ${message.error}`);
    same(one, message.value);
    console.log("received");
  }
}

const [what = "", endpoint = "", encoding = "", file = ""] = process.argv.slice(2);
const does = { call, publish, subscribe }[what];
if (!does || !file) fail("usage: peer call, publish or subscribe ENDPOINT ENCODING VECTORS");
const lab = await connect(process.env["LINKSPAN_GATEWAY"] ?? "");
await does(lab, endpoint, readAll(encoding, file));
lab.close();
process.exit(0);
