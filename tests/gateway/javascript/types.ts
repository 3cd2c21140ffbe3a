// Allowed and refused uses of the package's types. This file is compiled, not run.
import { Float, LinkspanError, type Message, NdArray, Timestamp, connect, decode, encode } from "linkspan-client";
import { parse, stringify } from "linkspan-client/json";

const lab = await connect("ws://127.0.0.1:17180", { token: "t", reconnect: false });
lab.onstate = (state, error) => console.log(state === "closed", error?.kind === "PermissionDenied", error?.code);
for await (const message of lab.subscribe<{ celsius: number }>("lab/*", { rate: 5 })) {
  const [name, celsius, missed, time]: [string, number, number, Timestamp] = [message.name, message.value.celsius, message.missed, message.time];
  console.log(name, celsius, missed, time.toDate());
}
for await (const event of lab.subscribe(["a", "b"], { events: true, credit: 10, from: { a: 5, b: { number: 1, incarnation: "0" } } })) {
  if (event.type === "lagged") console.log(event.name, event.missed);
  else if (event.type === "message") console.log(event.number);
}
const subscription = lab.subscribe("lab/a");
console.log(subscription.missed, subscription.names.get("lab/a")?.messages);
const latest: Message<number> = await lab.latest<number>("lab/a");
const answer: { n: number } = await lab.call<{ n: number }>("lab/double", { n: latest.value, at: new Date(), list: [1, 2n, new Float(3), new Float64Array(2)] }, { timeout: 1, signal: AbortSignal.timeout(5) });
const out = await lab.publisher("ui/x", { schema: "" });
const number: number = await out.send(new NdArray(new Uint16Array(6), [2, 3]));
console.log(answer.n, number, (await lab.names("*"))[0]?.rate, stringify(decode(encode(null))), parse("1"), lab.welcome.rights.read);
for await (const { names, gone } of lab.follow()) console.log(names.length, gone.length);
const server = await lab.serve<{ n: number }>("ui/sum", { schema: "", replySchema: "" });
server.onerror = (error) => console.log(error);
void server.run(async (request) => ({ n: request.value.n * 2 }), { workers: 2 });
for await (const request of server) request.wantsReply ? request.reply(1) : request.fail("no", { code: 1, kind: "k", data: null });
await out.close();
lab.close();
new LinkspanError("Timeout", "late");
// @ts-expect-error: a function is not a value
await out.send(() => 1);
// @ts-expect-error: an unknown kind
new LinkspanError("Nothing", "late");
// @ts-expect-error: an unknown option
lab.call("a", 1, { timeouts: 1 });
// @ts-expect-error: credit is a number
lab.subscribe("a", { credit: "10" });
