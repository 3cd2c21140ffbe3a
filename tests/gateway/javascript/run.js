// Runs a scenario in Node: run.js SCENARIO, with its arguments as the first line of standard input.
// A request of the scenario is a line of JSON on standard output; the answer is a line of standard input.
import { createInterface } from "node:readline";
import * as client from "../../../clients/js/min/client.js";
import * as scenarios from "./scenarios.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what) => {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  return JSON.parse((await lines.next()).value);
};
process.on("unhandledRejection", (error) => {
  console.error("not caught:", error);
  process.exit(3);
});
const words = await ask({});
await ask({ result: (await scenarios[process.argv[2]](client, words, ask)) ?? null });
process.exit(0);
