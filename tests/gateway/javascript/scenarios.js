// Test scenarios of the client, for Node and Chromium. Each gets the client's module, its arguments, and `ask`, which
// requests an action of the Python test.

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** Resolves to the value of a promise, or to the fields of its error. */
const said = (promise) => Promise.resolve(promise).then((value) => ({ value }), (error) => ({ kind: error.kind, code: error.code, text: error.message, retry: error.retry, failure: error.failure ?? null, name: error.name }));

function check(holds, text) {
  if (!holds) throw new Error(text);
}

/** Returns a socket class and a function that closes all sockets of this class. */
function cuttable({ own }) {
  const sockets = new Set();
  const Real = own ?? globalThis.WebSocket;
  class Cuttable extends Real {
    constructor(...words) {
      super(...words);
      sockets.add(this);
    }
  }
  const cut = () => {
    for (const socket of sockets) socket.close();
    sockets.clear();
  };
  return [Cuttable, cut];
}

async function realSocket() {
  return globalThis.process ? (await import("../../../clients/js/min/node.js")).WebSocket : globalThis.WebSocket;
}

/**
 * Takes messages until each name has `count` received and missed ones, by the client's counts or (`bySaid`) by the
 * messages.
 */
async function complete(subscription, names, count, each = () => {}, bySaid = false) {
  const seen = (name) => {
    if (bySaid) return sums[name] ?? 0;
    const of = subscription.names.get(name);
    return of ? of.messages + of.missed : 0;
  };
  const sums = {};
  let received = 0;
  for await (const event of subscription) {
    if (event.type === "message" || event.type === undefined) {
      received++;
      sums[event.name] = (sums[event.name] ?? 0) + 1 + event.missed;
      await each(received);
    }
    if (names.every((name) => seen(name) >= count)) break;
  }
  return Object.fromEntries(names.map((name) => [name, [subscription.names.get(name).messages, subscription.names.get(name).missed, sums[name]]]));
}

/** Quick, slow, newest-only and reconnecting clients count every message of the publishers. */
export async function losses({ connect }, { address, names, count }, ask) {
  const [Cuttable, cut] = cuttable({ own: await realSocket() });
  const lab = await connect(address);
  const cutLab = await connect(address, { WebSocket: Cuttable });
  const quick = lab.subscribe("lab/*");
  const slow = lab.subscribe(names, { credit: 40, events: true });
  const newest = lab.subscribe("lab/*", { latest: true, rate: 30 });
  const returning = cutLab.subscribe(names);
  await ask({ ready: 4 });
  let cuts = 0;
  const cutting = (async () => {
    while (!returning.isOver) {
      await sleep(60);
      if (names.every((name) => returning.names.get(name)?.number > 0) && cuts < 12) {
        cuts++;
        cut();
      }
    }
  })();
  const [one, two, three, four] = await Promise.all([
    complete(quick, names, count),
    complete(slow, names, count, (received) => (received % 20 === 0 ? sleep(2) : undefined)),
    // The newest message of each name always comes.
    complete(newest, names, count, undefined, true),
    complete(returning, names, count),
  ]);
  returning.close();
  await cutting;
  lab.close();
  cutLab.close();
  return { quick: one, slow: two, newest: three, cut: four, cuts };
}

/** The client continues after the gateway is killed and started again. */
export async function killed({ connect }, { address, name, count }, ask) {
  const lab = await connect(address);
  const states = [];
  lab.onstate = (state) => states.push(state);
  const subscription = lab.subscribe(name, { events: true });
  let isAsked = false;
  const kinds = new Set();
  await ask({ ready: 1 });
  const of = () => subscription.names.get(name) ?? { messages: 0, missed: 0 };
  for await (const event of subscription) {
    kinds.add(event.type);
    if (!isAsked && of().messages >= 300) {
      isAsked = true;
      await ask({ kill: true });
    }
    if (of().messages + of().missed >= count) break;
  }
  lab.close();
  return { ...of(), states, kinds: [...kinds] };
}

/** Events report who joins and ends. A message has its number, time and schema. */
export async function events({ connect, Timestamp }, { address }, ask) {
  const lab = await connect(address);
  const got = [];
  const subscription = lab.subscribe("lab/a", { events: true });
  await ask({ ready: 1 });
  for await (const event of subscription) {
    got.push(event.type === "message" ? [event.type, event.number, event.value.i, event.missed, event.time instanceof Timestamp] : [event.type, event.name]);
    if (event.type === "message" && event.number === 3) await ask({ end: true });
    if (event.type === "ended") break;
  }
  const second = await subscription.next();
  check(second.done, "a subscription that was left is over");
  lab.close();
  return got;
}

export async function values({ connect, decode, encode }, { address, vectors }) {
  const lab = await connect(address);
  const wrong = [];
  for (const [name, text] of vectors) {
    const sent = decode(hex(text));
    const back = toHex(encode(await lab.call("lab/echo", decode(hex(text), { exact: true }))));
    if (back !== toHex(encode(sent))) wrong.push([name, back.slice(0, 100), toHex(encode(sent)).slice(0, 100)]);
  }
  lab.close();
  return wrong;
}

export async function calls({ connect }, { address }, ask) {
  const lab = await connect(address);
  const answers = {
    doubled: await lab.call("lab/double", { n: 21 }),
    failed: await said(lab.call("lab/double", "fail")),
    nowhere: await said(lab.call("lab/nowhere", 1)),
    forbidden: await said(lab.call("other/name", 1)),
    late: await said(lab.call("lab/double", "slow", { timeout: 0.2 })),
    unsendable: await said(lab.call("lab/double", { a: [1, () => 1] })),
  };
  const abort = new AbortController();
  const aborted = said(lab.call("lab/double", "slow", { signal: abort.signal }));
  await ask({ begun: true });
  abort.abort(new Error("enough"));
  answers.aborted = await aborted;
  answers.before = await said(lab.call("lab/double", { n: 1 }, { signal: abort.signal }));
  answers.several = await Promise.all([1, 2, 3, 4].map((n) => lab.call("lab/double", { n })));
  lab.close();
  answers.closed = await said(lab.call("lab/double", { n: 1 }));
  return answers;
}

/** Publishing: with a schema, across a cut, and without permission. */
export async function publishing({ connect, Float }, { address, schema }, ask) {
  const [Cuttable, cut] = cuttable({ own: await realSocket() });
  const lab = await connect(address, { WebSocket: Cuttable });
  const out = await lab.publisher("ui/valve");
  const numbers = [await out.send({ open: true }), await out.send({ open: false })];
  const newest = await lab.latest("ui/valve");
  cut();
  // Both sends wait for the next connection.
  const after = await Promise.all([out.send({ open: 1 }), out.send({ open: 2 })]);
  await out.close();
  const checked = await lab.publisher("ui/power", { schema });
  const fits = await checked.send({ watts: 230 });
  const whole = await checked.send({ watts: new Float(231) });
  const received = await lab.subscribe("ui/power").next();
  const refused = await said(checked.send({ watts: "much" }));
  const again = await checked.send({ watts: 2.5 });
  const result = {
    numbers, newest: [newest.name, newest.number, newest.value], after, fits, whole, refused, again,
    schema: received.value.schema, schemaText: (await lab.schema("ui/power")).schema,
    closed: await said(out.send(1)), forbidden: await said(lab.publisher("other/name")), wrongSchema: await said(lab.publisher("ui/x", { schema: "name = 1" })),
    unsendable: await said(checked.send({ watts: Symbol("x") })),
    names: (await lab.names("ui/*")).map(({ name }) => name).sort(),
  };
  await ask({ published: true });
  lab.close();
  return result;
}

/** Lists and queries. A wrong or removed token is refused. */
export async function asking({ connect }, { address, token }, ask) {
  const bare = address.split("#")[0];
  const wrong = await said(connect(bare, { token: "wrong" }));
  const nowhere = await said(connect("ws://127.0.0.1:1", { token }));
  const notAnAddress = await said(connect("ftp://127.0.0.1", { token }));
  const lab = await connect(bare.replace("http", "ws"), { token });
  const follow = lab.follow("lab/*");
  const first = (await follow.next()).value.names.map(({ name }) => name);
  await ask({ publisher: "lab/second" });
  let second = [];
  while (!second.includes("lab/second")) second = (await follow.next()).value.names.map(({ name }) => name);
  await ask({ gone: true });
  let gone = [];
  while (!gone.includes("lab/second")) gone = (await follow.next()).value.gone;
  follow.close();
  const missing = await said(lab.latest("lab/none"));
  const forbidden = await said(lab.latest("other/name"));
  const wide = await said(lab.subscribe("other/name").next());
  const subscription = lab.subscribe("lab/none");
  const pending = said(subscription.next());
  const states = [];
  lab.onstate = (state, error) => states.push([state, error?.kind ?? null]);
  await ask({ remove: true });
  return { wrong, nowhere, notAnAddress, first, second, gone, missing, forbidden, wide, removed: await pending, after: await said(lab.call("lab/double", 1)), states };
}

/** A socket class with a fake gateway: `behave` gets each frame of the client. */
function played(behave) {
  return class {
    readyState = 0;
    constructor() {
      setTimeout(() => {
        this.readyState = 1;
        this.onopen?.({});
      }, 0);
    }
    send(bytes) {
      behave(bytes, (data) => setTimeout(() => this.onmessage?.({ data }), 0), this);
    }
    close() {
      this.readyState = 3;
    }
  };
}

const WELCOME = { type: "welcome", version: 1, machine: "m", server: "s", rights: {}, limits: { ping: 20 } };

/** Malformed frames of a gateway end the connection, and the client reconnects. Harmless frames are ignored. */
export async function hostile({ connect, decode, encode }, { seed }) {
  let random = seed;
  const chance = (below) => ((random = (Math.imul(random, 1664525) + 1013904223) >>> 0) >>> 8) % below;
  const message = (more) => encode({ type: "message", id: 1, name: "lab/a", number: 1, time: new Date(0), value: 1, ...more });
  const deep = new Uint8Array(100).fill(0x81);
  const breaking = [
    "text", new Uint8Array(0), hex("ff"), hex("a1"), hex("9bffffffffffffffff"), hex("5bffffffffffffffff"), hex("bf"), deep, hex("d9ffff00"), encode([1, 2]), encode(null), encode({}), encode({ type: 5 }),
    message({ number: "x" }), message({ number: -1 }), message({ number: 1.5 }), message({ name: 5 }), message({ name: null }), message({ passed: -1 }), message({ passed: "x" }),
    encode({ type: "lagged", id: 1, name: "lab/a", missed: -5 }), encode({ type: "lagged", id: 1, name: "lab/a", missed: 1e300 }), encode({ type: "lagged", id: 1, name: {}, missed: 1 }),
    encode({ type: "joined", id: 1 }), encode({ type: "names", id: 2, names: 5 }), encode({ type: "names", id: 2, names: [null] }),
  ];
  const harmless = [
    encode({ type: "unknown", id: 1 }), encode({ type: "message", id: 99, name: "x", number: 1 }), encode({ type: "error", id: null, kind: "Internal", code: 127, text: "said", retry: true }), encode({ type: "reply", id: 77, value: 1 }),
    encode({ type: "ack", id: 1, number: 1 }), encode({ type: "ack", id: "x", number: 1 }), encode({ type: "pong" }), encode({ type: "reply", id: {} }), encode({ type: "closed", id: 1234 }), encode({ type: "welcome", version: 7 }),
  ];
  for (let at = 0; at < 300; at++) {
    // A valid frame with changed or missing bytes.
    const bytes = encode({ type: ["message", "lagged", "joined", "names", "reply"][chance(5)], id: chance(4), name: "lab/a", number: chance(9), missed: 3, value: { a: [1.5, "x", new Float64Array(2)] }, names: [{ name: "n" }] });
    for (let change = 0; change <= chance(4); change++) bytes[chance(bytes.length)] = chance(256);
    harmless.push(chance(3) ? bytes : bytes.subarray(0, chance(bytes.length)));
  }
  let at = 0;
  let broken = 0;
  const Socket = played((bytes, answer) => {
    const frame = decode(bytes);
    if (frame.type === "hello") answer(encode(WELCOME));
    if (frame.type === "latest") answer(encode({ type: "reply", id: frame.id, name: "lab/a", number: 5, time: new Date(5), value: "there" }));
    if (frame.type === "subscribe" && at < breaking.length) answer(breaking[at++]);
    else if (frame.type === "subscribe") for (const frame of harmless.splice(0, 20)) answer(frame);
  });
  // Shortens the pauses between connections, which this scenario does not test.
  const later = globalThis.setTimeout;
  globalThis.setTimeout = (then, ms) => later(then, ms > 20 && ms < 9_999 ? 20 : ms);
  const lab = await connect("ws://played", { WebSocket: Socket });
  const subscription = lab.subscribe("lab/a", { events: true });
  const follow = lab.follow();
  (async () => {
    for await (const _ of follow);
  })().catch(() => {});
  for await (const event of subscription) {
    if (event.type === "disconnected") broken++;
    if (at >= breaking.length && harmless.length === 0) break;
    if (at >= breaking.length && event.type !== "disconnected") break;
    if (broken >= breaking.length) break;
  }
  let answer;
  while (answer === undefined) answer = await lab.latest("lab/a").catch(() => undefined);
  globalThis.setTimeout = later;
  lab.close();
  return { broken, breaking: breaking.length, value: answer.value };
}

/** A gateway greets wrongly, or stops answering. */
export async function silent({ connect, decode, encode }) {
  const greeted = async (bytes, options) => said(connect("ws://played", { timeout: 0.3, WebSocket: played((_, answer) => bytes && answer(bytes)), ...options }));
  const result = {
    none: await greeted(null), junk: await greeted(hex("ff")), other: await greeted(encode({ type: "pong" })), version: await greeted(encode({ ...WELCOME, version: 2 })),
    error: await greeted(encode({ type: "error", id: null, code: 113, kind: "PermissionDenied", text: "no", retry: false })),
  };
  let connections = 0;
  const Socket = played((bytes, answer) => {
    if (decode(bytes).type !== "hello") return;
    connections++;
    answer(encode({ ...WELCOME, limits: { ping: 0.05 } }));
  });
  const lab = await connect("ws://played", { WebSocket: Socket });
  const states = [];
  await new Promise((resolve) => {
    lab.onstate = (state, error) => {
      states.push([state, error?.kind ?? null]);
      if (state === "connected") resolve();
    };
  });
  lab.close();
  const once = await connect("ws://played", { WebSocket: Socket, reconnect: false });
  const pending = said(once.call("lab/a", 1));
  const over = said(once.subscribe("lab/a").next());
  return { ...result, states, connections, pending: await pending, over: await over };
}

/** A connection ends after a request that the gateway may have carried out. */
export async function interrupted({ connect, decode, encode }) {
  const end = (socket) => setTimeout(() => socket.onclose?.({}), 0);
  const Socket = played((bytes, answer, socket) => {
    const frame = decode(bytes);
    if (frame.type === "hello") answer(encode(WELCOME));
    if (frame.type === "publish") answer(encode({ type: "ack", id: frame.id, number: 0 }));
    if (["call", "data", "latest"].includes(frame.type)) end(socket);
  });
  const retries = {};
  for (const [what, ask] of Object.entries({ call: (lab) => lab.call("a", 1), send: async (lab) => (await lab.publisher("a")).send(1), latest: (lab) => lab.latest("a") })) {
    const lab = await connect("ws://played", { WebSocket: Socket, reconnect: false });
    retries[what] = await ask(lab).then(() => "done", ({ kind, retry }) => [kind, retry]);
    lab.close();
  }
  return retries;
}

/** A gateway sends more messages than the credit allows. */
export async function credit({ connect, decode, encode }) {
  let sent = 0;
  const granted = [];
  const Socket = played((bytes, answer) => {
    const frame = decode(bytes);
    if (frame.type === "hello") answer(encode(WELCOME));
    if (frame.type === "credit") granted.push(frame.n);
    if (frame.type === "subscribe") for (let at = 0; at < frame.credit + (sent ? 5 : 0); at++) answer(encode({ type: "message", id: frame.id, name: "a", number: ++sent, time: new Date(0), value: sent }));
  });
  const lab = await connect("ws://played", { WebSocket: Socket, reconnect: false });
  const first = lab.subscribe("a", { credit: 10 });
  const got = [];
  while (got.length < 10) got.push((await first.next()).value.value);
  const second = lab.subscribe("a", { credit: 10 });
  const outcomes = [];
  // The program is slow, so all messages are queued.
  while (lab.isConnected) await sleep(5);
  for (let at = 0; at < 12; at++) outcomes.push((await said(second.next())).kind ?? "message");
  return { got, granted, outcomes };
}

/** A value beyond a limit fails its call, and the connection stays open. */
export async function limits({ connect }, { address }) {
  const lab = await connect(address);
  const states = [];
  lab.onstate = (state) => states.push(state);
  const out = await lab.publisher("ui/x");
  const nested = (levels) => {
    let value = [];
    for (let at = 1; at < levels; at++) value = [value];
    return value;
  };
  const { values, levels, key, message } = lab.welcome.limits;
  const beyond = {
    values: new Array(values).fill(null), levels: nested(levels + 1), key: { ["k".repeat(key + 1)]: 1 }, message: new Uint8Array(message),
    entries: Object.fromEntries(Array.from({ length: values }, (_, at) => [at.toString(16), true])),
  };
  const refused = {};
  for (const [what, value] of Object.entries(beyond)) {
    refused[what] = [await said(out.send(value)), await said(lab.call("lab/echo", value))].map(({ kind, retry }) => [kind, retry]);
  }
  refused.name = (await said(lab.subscribe("x".repeat(message)).next())).kind;
  refused.latest = (await said(lab.latest("x".repeat(message)))).kind;
  refused.schema = (await said(lab.publisher("ui/y", { schema: "x".repeat(message) }))).kind;
  const numbers = [];
  for (const value of [new Array(values - 1).fill(null), nested(levels), { ["k".repeat(key)]: 1 }]) {
    numbers.push(await out.send(value));
    check(JSON.stringify(await lab.call("lab/echo", value)) === JSON.stringify(value), "an answer is what was asked");
  }
  lab.onstate = undefined;
  lab.close();
  return { refused, numbers, states };
}

/** Integers and arrays at their limits and beyond, while a subscription continues. */
export async function integers({ connect, NdArray }, { address }) {
  const lab = await connect(address);
  const states = [];
  lab.onstate = (state) => states.push(state);
  const out = await lab.publisher("ui/x");
  const most = 2n ** BigInt(8 * lab.welcome.limits.integer) - 1n;
  const many = new NdArray(new Float64Array(1), new Array(lab.welcome.limits.dimensions).fill(1));
  const grown = new NdArray(new Float64Array(1), [1]);
  for (let at = 0; at < lab.welcome.limits.dimensions; at++) grown.shape.push(1);
  const refused = {};
  for (const [what, value] of Object.entries({ far: 2n ** 9000n, above: most + 1n, below: -most - 1n, inside: { list: [1, -most - 1n] }, dimensions: [grown] })) {
    refused[what] = [await said(out.send(value)), await said(lab.call("lab/echo", value))].map(({ kind, retry }) => [kind, retry]);
  }
  const numbers = [];
  for (const value of [most, -most, many]) {
    numbers.push(await out.send(value));
    const got = await lab.call("lab/echo", value);
    check(value === many ? String(got.shape) === String(many.shape) : got === value, "an answer is what was asked");
  }
  lab.onstate = undefined;
  lab.close();
  return { refused, numbers, states };
}

/** An expired call may have been carried out if it was sent, and was not carried out if it was not sent. */
export async function unanswered({ connect, decode, encode }) {
  let connections = 0;
  const Socket = played((bytes, answer, socket) => {
    const frame = decode(bytes);
    // The gateway greets only the first connection.
    if (frame.type === "hello" && ++connections === 1) answer(encode(WELCOME));
    if (frame.type === "latest" && frame.name === "cut") socket.onclose?.({});
  });
  const lab = await connect("ws://played", { WebSocket: Socket });
  const retries = Object.fromEntries(await Promise.all([["call", lab.call("a", 1, { timeout: 0 })], ["latest", lab.latest("a", { timeout: 0 })]].map(async ([what, asked]) => [what, await said(asked)])));
  await said(lab.latest("cut"));
  retries.offline = await said(lab.call("a", 1, { timeout: 0 }));
  lab.close();
  return Object.fromEntries(Object.entries(retries).map(([what, { kind, retry }]) => [what, [kind, retry]]));
}

/** Returns the error of a connection that fails. */
export async function refusal({ connect }, { address }) {
  return said(connect(address, { token: "t", timeout: 20 }));
}

/** Listeners of signals, hidden tabs, names that return, time-outs of publishers, and dates before 1970. */
export async function lifetimes({ connect, decode, encode, Timestamp }) {
  const result = { clients: new Set() };
  let [added, removed] = [0, 0];
  const { signal } = new AbortController();
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...words) => (added++, add.apply(signal, words));
  signal.removeEventListener = (...words) => (removed++, remove.apply(signal, words));
  let refusals = 0;
  let publishes = 0;
  let isSilent = false;
  const Socket = played((bytes, answer, socket) => {
    const frame = decode(bytes);
    if (frame.type === "hello") {
      result.clients.add(frame.client);
      answer(encode({ ...WELCOME, limits: { ping: 0.05 } }));
    }
    if (frame.type === "ping" && !isSilent) answer(encode({ type: "pong", id: frame.id }));
    if (frame.type === "unsubscribe") answer(encode({ type: "closed", id: frame.id }));
    if (frame.type === "publish" && frame.name !== "silent") {
      publishes++;
      // The gateway still counts the older connection as the publisher.
      if (refusals-- > 0) answer(encode({ type: "error", id: frame.id, code: 105, kind: "AddressInUse", text: "taken", retry: false }));
      else answer(encode({ type: "ack", id: frame.id, number: 0 }));
    }
    if (frame.type === "data") answer(encode({ type: "ack", id: frame.id, number: 7 }));
    if (frame.type === "call") socket.onclose?.({});
  });
  const lab = await connect("ws://played", { WebSocket: Socket });
  for (let at = 0; at < 5; at++) lab.subscribe("a", { signal }).close();
  await lab.subscribe("a", { signal }).return();
  result.listeners = [added, removed];
  result.late = await said(lab.publisher("silent", { timeout: 0.05 }));

  // After a cut the name is refused twice, and then succeeds without the program.
  const out = await lab.publisher("b");
  refusals = 2;
  await said(lab.call("cut"));
  result.number = await out.send(1);
  result.publishes = publishes;
  result.clients = [...result.clients].map((client) => [typeof client, client?.length]);
  // A first attempt to publish fails at once.
  refusals = 1;
  result.taken = await said(lab.publisher("b"));

  // The timers of a hidden page run rarely: the clock jumps an hour between two timers, after an answered ping.
  const states = [];
  lab.onstate = (state) => states.push(state);
  await sleep(120);
  const now = Date.now;
  Date.now = () => now() + 3_600_000;
  await sleep(120);
  Date.now = now;
  result.hidden = [...states];
  isSilent = true;
  while (!states.includes("disconnected")) await sleep(10);
  lab.close();
  result.dates = ["1969-12-31T23:59:59.9995Z", "1970-01-01T00:00:00.0005Z", "1960-01-01T00:00:00.123456789Z"].map((text) => Timestamp.from(text).toDate().toISOString());
  return result;
}

/** The program serves a name: replies, failures, several callers, and the end of the server. */
export async function serving({ connect, LinkspanError }, { address, schema }, ask) {
  const lab = await connect(address);
  const server = await lab.serve("ui/sum", { schema, replySchema: schema });
  const thrown = [];
  server.onerror = (error) => thrown.push(error.message);
  let running = 0;
  let most = 0;
  const ended = server.run(async (request) => {
    const { watts } = request.value;
    most = Math.max(most, ++running);
    // The first three requests run at once.
    while (most < 3) await sleep(5);
    running--;
    if (watts === -1) throw new TypeError("below zero");
    if (watts === -2) return request.fail("no such number", { code: 7, kind: "ui.number", data: [1] });
    if (watts === -3) throw new LinkspanError("Remote", "passed on", { failure: { code: 8, kind: "other", text: "as it was", data: 2 } });
    if (watts === -4) return { watts: "much" };
    if (watts === -5) return { watts: () => 1 };
    return { watts: watts * 2 };
  }, { workers: 3 });
  const answers = await Promise.all([1, 2, 3, 4].map((watts) => lab.call("ui/sum", { watts })));
  const failures = {};
  for (const watts of [-1, -2, -3, -4, -5]) failures[watts] = await said(lab.call("ui/sum", { watts })).then(({ kind, failure }) => [kind, failure?.code, failure?.kind, failure?.text, failure?.data]);
  const schemas = await lab.schema("ui/sum");
  await ask({ served: true });
  const again = await said(lab.serve("ui/sum"));
  server.close();
  await ended;
  const gone = await said(lab.call("ui/sum", { watts: 1 }, { timeout: 0.2 }));
  // A loop takes the requests without a handler.
  const loop = await lab.serve("ui/loop");
  const called = said(lab.call("ui/loop", 21));
  for await (const request of loop) {
    request.reply(request.value * 2);
    const twice = await said((async () => request.reply(1))());
    failures.twice = twice.kind;
    break;
  }
  const over = await loop.next();
  const taken = lab.serve("ui/closed");
  const closing = await taken;
  const waiting = closing.next();
  lab.close();
  return { answers: answers.map(({ watts }) => watts), failures, thrown, most, replySchema: schemas.reply_schema, again: again.kind, gone: gone.kind, called: (await called).value, over: over.done, closed: (await waiting).done };
}

/** Each function refuses an unknown option and names it. */
export async function unknown({ connect, decode, encode, NdArray }) {
  const Socket = played((bytes, answer) => {
    const frame = decode(bytes);
    if (frame.type === "hello") answer(encode(WELCOME));
    if (["publish", "serve"].includes(frame.type)) answer(encode({ type: "ack", id: frame.id, number: 0 }));
  });
  const lab = await connect("ws://played", { WebSocket: Socket });
  const server = await lab.serve("a");
  const wrong = { credits: 1 };
  const calls = {
    connect: () => connect("ws://played", wrong), subscribe: async () => lab.subscribe("a", wrong), latest: () => lab.latest("a", wrong), names: () => lab.names("*", wrong),
    schema: () => lab.schema("a", wrong), call: () => lab.call("a", 1, wrong), publisher: () => lab.publisher("a", wrong), serve: () => lab.serve("a", wrong),
    run: () => server.run(() => 1, wrong), decode: async () => decode(encode(1), wrong), NdArray: async () => new NdArray(new Float64Array(1), [1], wrong),
  };
  const got = {};
  for (const [name, call] of Object.entries(calls)) got[name] = await said(call()).then(({ kind, text }) => [kind, text?.includes('"credits"')]);
  lab.close();
  return got;
}

/** Errors keep the gateway's path and text. Losses of a publisher whose end was not seen are counted. */
export async function told({ connect, decode, encode }) {
  let connections = 0;
  const Socket = played((bytes, answer, socket) => {
    const frame = decode(bytes);
    const message = (name, number) => answer(encode({ type: "message", id: frame.id, name, number, value: number }));
    const joined = (name) => answer(encode({ type: "joined", id: frame.id, name, incarnation: String(connections).padStart(16, "0") }));
    if (frame.type === "hello") {
      connections++;
      answer(encode(WELCOME));
    }
    if (frame.type === "call") answer(encode({ type: "error", id: frame.id, kind: "WrongType", text: "f64 is expected", retry: false, path: "rows/0/name" }));
    if (frame.type !== "subscribe") return;
    joined("a");
    message("a", 3);
    joined("b");
    message("b", 3);
    if (connections > 1) return;
    answer(encode({ type: "ended", id: frame.id, name: "b" }));
    setTimeout(() => socket.onclose?.({}), 10);
  });
  const lab = await connect("ws://played", { WebSocket: Socket });
  const error = await lab.call("a", 1).catch((error) => error);
  const got = [];
  const subscription = lab.subscribe(["a", "b"], { events: true });
  for await (const { type, name, number, missed, unseen } of subscription) {
    if (type === "message") got.push([name, number, missed, unseen ?? false]);
    else if (type === "lagged") got.push([name, missed]);
    if (got.length === 5) break;
  }
  lab.close();
  return { path: error.path, text: error.message, got, unseen: [...subscription.names.values()].map(({ unseen }) => unseen) };
}
