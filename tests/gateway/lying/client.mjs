// A program with linkspan-client at a gateway that lies: client.mjs ADDRESS [stays]. It prints the kind of each error,
// and foreign errors.
// With `stays` it takes one message, and ends after a line of standard input.
import { readFileSync } from "node:fs";
import { LinkspanError, connect } from "../../../clients/js/min/client.js";

// The seconds that the program listens to lies.
const STAYS = process.argv.includes("stays");
const LISTENS = STAYS ? 600 : 1.5;
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const said = {};
const foreign = [];
process.on("unhandledRejection", (error) => foreign.push(`not caught: ${error}`));
process.on("uncaughtException", (error) => foreign.push(`not caught: ${error}`));

async function attempt(name, what) {
  try {
    await what();
    said[name] = "fine";
  } catch (error) {
    if (!(error instanceof LinkspanError)) foreign.push(`${name}: ${error?.stack ?? error}`);
    said[name] = error?.kind;
  }
}

let lab;
const isLate = () => sleep(LISTENS).then(() => "late");
async function listen(open) {
  const stream = open();
  const until = Date.now() + LISTENS * 1000;
  try {
    while (Date.now() < until) {
      const one = await Promise.race([stream.next(), isLate()]);
      if (one === "late" || one.done) break;
      // A slow program.
      await sleep(STAYS ? LISTENS : 0.02);
    }
  } finally {
    stream.close();
  }
}

await attempt("connect", async () => (lab = await connect(process.argv[2], { token: "t", timeout: 2 * LISTENS, maxMessageSize: 8 << 20 })));
if (lab) {
  const asked = { timeout: LISTENS };
  const calls = {
    listen: () => listen(() => lab.subscribe(["lab/a", "lab/*"], { events: true })),
    newest: () => listen(() => lab.subscribe("lab/*", { latest: true })),
    follow: () => listen(() => lab.follow()),
    latest: () => lab.latest("lab/a", asked),
    names: () => lab.names("*", asked),
    schema: () => lab.schema("lab/a", asked),
    call: () => lab.call("lab/a", 1, asked),
    publish: async () => {
      const out = await lab.publisher("lab/out", asked);
      for (let number = 0; number < 10; number++) await Promise.race([out.send(number), isLate()]);
    },
    serve: () => listen(() => {
      const stream = { next: async () => (await stream.opened).next(), close: () => stream.opened.then((server) => server.close(), () => {}) };
      stream.opened = lab.serve("lab/sum", asked);
      stream.opened.catch(() => {});
      return stream;
    }),
  };
  const all = Promise.all(Object.entries(calls).map(([name, what]) => attempt(name, what)));
  await (STAYS ? new Promise((resolve) => process.stdin.once("data", resolve)) : all);
  await attempt("close", async () => lab.close());
}
console.log(JSON.stringify({ said, foreign, status: readFileSync("/proc/self/status", "utf8") }));
process.exit(0);
