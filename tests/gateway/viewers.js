// Reads names of a gateway with the code that viewers have: node viewers.js NODE_MODULES ADDRESS SUBPROTOCOL NAMES. Prints a message of each.
const { createRequire } = require("node:module");
const [modules, address, subprotocol, count] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const { FoxgloveClient } = load("@foxglove/ws-protocol");
const { parse } = load("@lichtblick/rosmsg");
const { MessageReader } = load("@lichtblick/rosmsg2-serialization");
const WebSocket = load("ws");

const plain = (key, value) => {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return value;
};

const socket = new WebSocket(address, [subprotocol]);
const client = new FoxgloveClient({ ws: socket });
const [channels, subscribed, found, statuses] = [new Map(), new Map(), {}, []];
client.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
client.on("serverInfo", (info) => (found.info = info));
client.on("status", (status) => statuses.push(status));
client.on("advertise", (list) => {
  for (const channel of list) {
    channels.set(channel.id, channel);
    let read;
    if (channel.encoding === "cdr") {
      const reader = new MessageReader(parse(channel.schema, { ros2: true }));
      read = (data) => reader.readMessage(data);
    } else {
      if (JSON.parse(channel.schema).type !== "object") throw new Error(channel.schema);
      read = (data) => JSON.parse(new TextDecoder().decode(data));
    }
    subscribed.set(client.subscribe(channel.id), { channel, read });
  }
});
client.on("message", ({ subscriptionId, timestamp, data }) => {
  const { channel, read } = subscribed.get(subscriptionId);
  (found.names ??= {})[channel.topic] = {
    encoding: channel.encoding, notation: channel.schemaEncoding, type: channel.schemaName, metadata: channel.metadata ?? {}, text: channel.schema,
    time: String(timestamp), value: read(data),
  };
  if (Object.keys(found.names).length === Number(count)) {
    process.stdout.write(JSON.stringify({ ...found, statuses, subprotocol: socket.protocol }, plain));
    client.close();
    process.exit(0);
  }
});
setTimeout(() => {
  console.error("there are", Object.keys(found.names ?? {}), "of", [...channels.values()].map((channel) => channel.topic), statuses);
  process.exit(2);
}, 90_000);
