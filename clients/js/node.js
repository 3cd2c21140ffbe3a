// A WebSocket client (RFC 6455) for Node 20 and 21, which need a flag for theirs. Browsers never load this file.
import { createHash, randomBytes } from "node:crypto";
import { request as plain } from "node:http";
import { request as encrypted } from "node:https";
import { LinkspanError } from "./client.js";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The part of the browser's class that the client uses. */
export class WebSocket {
  readyState = 0;
  binaryType = "arraybuffer";
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  #socket;
  #request;
  #limits;
  // Received bytes of an incomplete frame, at the beginning of a buffer that doubles.
  #held = Buffer.alloc(0);
  #long = 0;
  #needed = 2;
  #message = [];
  #size = 0;

  constructor(url, protocol, limits) {
    this.#limits = limits;
    const at = new URL(url.replace(/^ws/, "http"));
    const key = randomBytes(16).toString("base64");
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": 13, "sec-websocket-key": key, "sec-websocket-protocol": protocol };
    const request = (at.protocol === "https:" ? encrypted : plain)(at, { headers, agent: false });
    this.#request = request;
    const refused = (kind, text) => this.#end(1006, new LinkspanError(kind, text, { retry: ["Disconnected", "Full"].includes(kind) }));
    request.on("error", (error) => {
      const isTls = at.protocol === "https:";
      // A plain HTTP answer to TLS, or a TLS answer to HTTP.
      if (isTls ? /^EPROTO$|WRONG_VERSION|PACKET_LENGTH|RECORD_LAYER/.test(error.code) : /^HPE_/.test(error.code)) {
        refused("InvalidEndpoint", `${url}: ${isTls ? "no TLS answers there; give ws://" : "no HTTP answers there; where the gateway has a certificate, give wss://"}`);
      } else refused("Disconnected", `connecting to ${url}: ${error.message}`);
    });
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (more) => (body = (body + more).slice(0, 4096)));
      response.on("error", () => {});
      response.on("close", () => {
        let said = {};
        try {
          said = JSON.parse(body);
        } catch {}
        const kind = typeof said?.kind === "string" && response.statusCode !== 429 ? said.kind : "Disconnected";
        refused(kind, `${url} answers ${response.statusCode}: ${said?.detail ?? "it is no gateway"}`);
      });
    });
    request.on("upgrade", (response, socket, first) => {
      this.#socket = socket;
      socket.on("error", (error) => this.#end(1006, new LinkspanError("Disconnected", `${url}: ${error.message}`, { retry: true })));
      if (this.readyState !== 0) return socket.destroy();
      const accept = createHash("sha1").update(key + GUID).digest("base64");
      if (response.headers["sec-websocket-accept"] !== accept || response.headers["sec-websocket-protocol"] !== protocol) {
        return refused("VersionMismatch", `${url} does not speak ${protocol}`);
      }
      socket.setNoDelay(true);
      this.readyState = 1;
      this.onopen?.({});
      socket.on("data", (bytes) => this.#take(bytes));
      socket.on("close", () => this.#end(1006));
      if (first.length) this.#take(first);
    });
    request.end();
  }

  #end(code, error, reason = "") {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#request.destroy();
    this.#socket?.destroy();
    // After the constructor has returned, as in browsers.
    queueMicrotask(() => {
      if (error) this.onerror?.({ error });
      this.onclose?.({ code, reason });
    });
  }
  #broken(text, kind = "Malformed") {
    this.#end(1002, new LinkspanError(kind, `the WebSocket of the gateway: ${text}`));
  }

  #take(bytes) {
    if (this.#long) {
      const all = this.#long + bytes.length;
      if (all > this.#held.length) {
        // Enough room for the whole frame avoids repeated copies.
        const room = Buffer.allocUnsafeSlow(Math.max(all, Math.min(this.#needed, 2 * all)));
        this.#held.copy(room, 0, 0, this.#long);
        this.#held = room;
      }
      bytes.copy(this.#held, this.#long);
      this.#long = all;
      if (all < this.#needed) return;
      bytes = this.#held.subarray(0, all);
    }
    while (this.readyState < 3) {
      const used = this.#frame(bytes);
      if (!used) break;
      bytes = bytes.subarray(used);
    }
    this.#held = bytes.length ? Buffer.from(bytes) : Buffer.alloc(0);
    this.#long = bytes.length;
  }

  /** Takes a frame; returns its length, or 0 if it is incomplete. */
  #frame(held) {
    this.#needed = 2;
    if (held.length < 2) return 0;
    const [first, second] = held;
    const code = first & 15;
    const isLast = first >> 7 === 1;
    if (first & 0x70 || second & 0x80 || ![0, 1, 2, 8, 9, 10].includes(code) || (code > 7 && (!isLast || second > 125))) return void this.#broken("a frame that is none") ?? 0;
    let length = second;
    let at = 2;
    if (second > 125) {
      at = second === 126 ? 4 : 10;
      this.#needed = at;
      if (held.length < at) return 0;
      length = second === 126 ? held.readUInt16BE(2) : Number(held.readBigUInt64BE(2));
    }
    if (length + this.#size > this.#limits.longest) return void this.#broken(`a message of ${length + this.#size} bytes is too long`, "TooLarge") ?? 0;
    this.#needed = at + length;
    if (held.length < at + length) return 0;
    this.#needed = 2;
    this.#content(code, isLast, held.subarray(at, at + length));
    return at + length;
  }
  #content(code, isLast, body) {
    if (code === 9) {
      this.#write(10, body);
      // A gateway that sends pings without reading the pongs would fill the memory.
      if (this.#socket.writableLength > 2 * this.#limits.longest + this.#limits.unread) this.#broken("it sends pings and reads no answers");
    }
    else if (code === 8) {
      const reason = body.subarray(2).toString();
      this.#write(8, body.subarray(0, 2));
      this.#end(body.length > 1 ? body.readUInt16BE(0) : 1005, undefined, reason);
    } else if (code === 1) this.#broken("a text, where frames are in CBOR");
    else if (code !== 10) {
      if ((code === 0) !== this.#message.length > 0) return this.#broken("a part without its beginning");
      if (this.#message.length >= this.#limits.fragments) return this.#broken(`a message of more than ${this.#limits.fragments} pieces`);
      // A copy, because a view would keep the whole received buffer.
      this.#message.push(isLast ? body : Buffer.from(body));
      this.#size += body.length;
      if (!isLast) return;
      // Separate memory, because decoded values may be views of it.
      const whole = new Uint8Array(this.#size);
      let at = 0;
      for (const part of this.#message) {
        whole.set(part, at);
        at += part.length;
      }
      this.#message = [];
      this.#size = 0;
      this.onmessage?.({ data: whole.buffer });
    }
  }

  #write(code, body) {
    const long = body.length;
    const head = long < 126 ? Buffer.from([0, long]) : Buffer.alloc(long < 65536 ? 4 : 10);
    head[0] = 0x80 | code;
    if (long >= 65536) {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(long), 2);
    } else if (long > 125) {
      head[1] = 126;
      head.writeUInt16BE(long, 2);
    }
    head[1] |= 0x80;
    const mask = randomBytes(4);
    const masked = Buffer.from(body);
    for (let at = 0; at < long; at++) masked[at] ^= mask[at & 3];
    if (!this.#socket?.writableEnded) this.#socket?.write(Buffer.concat([head, mask, masked]));
  }
  send(bytes) {
    if (this.readyState === 1) this.#write(2, bytes);
  }
  close() {
    if (this.readyState === 1) {
      this.#write(8, Buffer.from([3, 232]));
      this.#socket.end();
    }
    this.#end(1000);
  }
}
