/** The client of `linkspan gateway`. */

/** Options of a connection. */
export interface Options {
  /** What `linkspan gateway token add` printed; an address with `#token=` has it, too. */
  token?: string;
  /** Whether a connection that breaks is made again; true by default. Subscriptions and publishers go on, and what was missed is counted. */
  reconnect?: boolean;
  /** Seconds for an attempt to connect; 10 by default. */
  timeout?: number;
  /** Bytes of the longest value that is taken; 64 MiB by default. */
  maxMessageSize?: number;
  /** The class of WebSockets; by default that of the browser, and in Node a class of this package, which bounds messages. */
  WebSocket?: new (url: string, protocol: string, limits: object) => any;
}

/**
 * Connects to a gateway: `ws://` or `wss://` and a token, or the address that `linkspan gateway` prints.
 * The first attempt fails with its reason; what breaks later is made again.
 */
export function connect(url: string | URL, options?: Options): Promise<Lab>;

/** What may be sent. A number that is whole is sent as an integer: `new Float(21)` is a float. Fields that are undefined are left out. */
export type Value =
  | null | boolean | number | bigint | string | Date | Timestamp | Uuid | Decimal | Float | Uint8Array | ArrayBuffer | TypedArray | NdArray | Message
  | Value[] | Set<Value> | Map<string, Value> | { [key: string]: Value | undefined };

/** The kinds of errors in every language. */
export type Kind =
  | "TransportUnavailable" | "Disconnected" | "NotFound" | "Missing" | "AddressInUse" | "InvalidState" | "InvalidEndpoint" | "OutOfMemory" | "WrongType" | "Timeout"
  | "Full" | "Empty" | "PermissionDenied" | "TooLarge" | "Malformed" | "Unsupported" | "SchemaMismatch" | "VersionMismatch" | "Cancelled" | "Interrupted" | "Stalled"
  | "Remote" | "OutOfRange" | "NoSpace" | "Lagged" | "Corrupt" | "Internal";

/** An error with the kind and the code that it has in every language. */
export class LinkspanError extends Error {
  constructor(kind: Kind, text: string, more?: object);
  readonly kind: Kind;
  readonly code: number;
  /** Whether the same may succeed later, without being done twice. */
  readonly retry: boolean;
  /** Where in a value it is, such as `rows/0/name`. */
  readonly path?: string;
  /** Of the kind Remote: what the server's handler said. */
  readonly failure?: { code: number; kind: string; text: string; data: unknown };
}

/** A published message. */
export class Message<T = any> {
  readonly name: string;
  /** Counts from 1 in each incarnation of a publisher. */
  readonly number: number;
  /** When it was sent. */
  readonly time: Timestamp;
  readonly value: T;
  /** How many messages of its name were missed, or passed over, since the one before. */
  readonly missed: number;
  /** Whether a publisher of the name ended while the connection was lost: then an unknown number was missed as well. */
  readonly unseen?: true;
  /** The first 16 hexadecimal digits of the fingerprint of the schema with which it was sent. */
  readonly schema?: string;
  /** Why there is no value: what was published is none. */
  readonly error?: LinkspanError;
}

/** With `events`: messages, and what happens to names and to the connection. */
export type Event<T = any> =
  | (Message<T> & { type: "message" })
  | { type: "lagged"; name: string; /** Null: the number is unknown. */ missed: number | null }
  | { type: "joined"; name: string; incarnation: string }
  | { type: "ended"; name: string }
  | { type: "disconnected" };

/** Where a subscription begins, by name: the number of the last message that the program has. */
export type From = { [name: string]: number | { number: number; incarnation?: string } };

export interface Subscribing {
  /** The newest message of each name alone; others are passed over, and counted. */
  latest?: boolean;
  /** With `latest`: at most so many a second of each name. */
  rate?: number;
  /** Messages that may wait for the program, 128 by default: what is published beyond is missed, and counted. */
  credit?: number;
  from?: From;
  /** Ends it. */
  signal?: AbortSignal;
}

/** What a subscription knows of a name. */
export interface OfName {
  readonly number: number;
  readonly incarnation?: string;
  readonly messages: number;
  readonly missed: number;
  /** Publishers that ended while the connection was lost, each with an unknown number of missed messages. */
  readonly unseen: number;
}

export interface Subscription<T> extends AsyncIterableIterator<T> {
  /** What is known of each name: messages and missed ones are together all that were published. */
  readonly names: ReadonlyMap<string, OfName>;
  /** Messages that were missed, of all names. */
  readonly missed: number;
  readonly isOver: boolean;
  close(): void;
}

/** A name, as `linkspan ls` shows it. */
export interface Name {
  name: string;
  pattern: "publish" | "request" | "channel" | "controller" | null;
  machine: string | null;
  program: string | null;
  messages: number | null;
  /** Messages a second. */
  rate: number | null;
  peers: number | null;
  schema: string | null;
  problem: string | null;
  /** What the problem is, in words. */
  reason: string | null;
}

export interface Asking {
  /** Seconds; 30 by default. */
  timeout?: number;
  /** Gives it up: a call that a server has not begun is withdrawn. */
  signal?: AbortSignal;
}

export interface Publisher {
  readonly name: string;
  /** Publishes a value; returns its number. Without a connection it waits for one. */
  send(value: Value): Promise<number>;
  /** Ends it, behind what was sent. */
  close(): Promise<void>;
}

/** A call of a name that the program serves. It is answered once. */
export interface Request<T = any> {
  readonly value: T;
  /** False for a message, which is not answered. */
  readonly wantsReply: boolean;
  readonly answered: boolean;
  /** Answers with a value. The gateway drops the answer if the caller is gone. */
  reply(value: Value): void;
  /** Fails the call: the caller gets the kind Remote with these. */
  fail(text: string, options?: { code?: number; kind?: string; data?: Value }): void;
}

/** A name that the program serves: iterate over its requests, or give `run` a handler. */
export interface Server<T = any> extends AsyncIterableIterator<Request<T>> {
  readonly name: string;
  readonly isOver: boolean;
  /** Gets what a handler threw, and answers that did not fit. */
  onerror?: (error: unknown) => void;
  /** Answers each request with the result of the handler, until the server is closed. `workers` handlers run at once; 1 by default. */
  run(handler: (request: Request<T>) => Value | undefined | void | Promise<Value | undefined | void>, options?: { workers?: number }): Promise<void>;
  /** Gives the name up. Requests that are not answered fail at their callers. */
  close(): void;
}

export interface Lab {
  /** What the gateway said when it was connected last. */
  readonly welcome: {
    machine: string;
    server: string;
    rights: { name: string; read: string[]; call: string[]; write: string[]; expires: Timestamp | null };
    limits: { [name: string]: number };
  };
  readonly isConnected: boolean;
  /** Called when the connection is made, broken (with the error), or ended for good. */
  onstate?: (state: "connected" | "disconnected" | "closed", error?: LinkspanError) => void;

  /** Subscribes to a name, a pattern, or several of them: `for await (const message of lab.subscribe("lab/*"))`. */
  subscribe<T = any>(names: string | string[], options: Subscribing & { events: true }): Subscription<Event<T>>;
  subscribe<T = any>(names: string | string[], options?: Subscribing & { events?: false }): Subscription<Message<T>>;
  /** The newest message of a name. */
  latest<T = any>(name: string, options?: Asking): Promise<Message<T>>;
  /** The names that fit a pattern, and that the token allows to read, call or write. */
  names(pattern?: string, options?: Asking): Promise<Name[]>;
  /** The same, again whenever something changes: the names that did, and those that are no more. */
  follow(pattern?: string): AsyncIterableIterator<{ names: Name[]; gone: string[] }> & { close(): void };
  /** The schema of a name, and that of its replies, as texts. */
  schema(name: string, options?: Asking): Promise<{ schema: string; reply_schema: string | null }>;
  /** Calls a server. */
  call<T = any>(name: string, value?: Value, options?: Asking): Promise<T>;
  /** Becomes the publisher of a name. `schema` is a text in the notation of schemas: every value is checked against it. `timeout` is in seconds, 30 by default. */
  publisher(name: string, options?: { schema?: string; timeout?: number }): Promise<Publisher>;
  /** Serves a name. The schemas are texts in the notation of schemas. `timeout` is in seconds, 30 by default. */
  serve<T = any>(name: string, options?: { schema?: string; replySchema?: string; timeout?: number }): Promise<Server<T>>;
  /** Ends the connection, and what it has. Loops end without an error. */
  close(): void;
}

export type TypedArray =
  | Uint8ClampedArray | Uint16Array | Uint32Array | BigUint64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;
export type DType = "bool" | "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f32" | "f64" | "c64" | "c128";

/**
 * An array of numbers with a shape. One of one dimension is its typed array itself, except for u8 (a Uint8Array is bytes), bool and complex numbers.
 * `data` has the elements in `order`; real and imaginary parts alternate.
 */
export class NdArray {
  constructor(data: Uint8Array | TypedArray, shape?: number[], more?: { dtype?: DType; order?: "row" | "column" });
  readonly data: Uint8Array | TypedArray;
  readonly dtype: DType;
  readonly shape: number[];
  readonly order: "row" | "column";
  /** The element at these indices. */
  at(...indices: number[]): number | bigint | [number, number];
}

/** An instant: nanoseconds since 1970 in UTC. */
export class Timestamp {
  constructor(nanoseconds: bigint | number);
  static now(): Timestamp;
  /** From a Date, or a text as RFC 3339 writes it. */
  static from(value: Timestamp | Date | string): Timestamp;
  readonly nanoseconds: bigint;
  /** Seconds since 1970, rounded to a number. */
  readonly seconds: number;
  /** Whole seconds, and the nanoseconds beyond them. */
  parts(): [bigint, bigint];
  toDate(): Date;
  toString(): string;
  toJSON(): string;
}

export class Uuid {
  constructor(text: string);
  readonly text: string;
  toString(): string;
  toJSON(): string;
}

/** An exact decimal number. */
export class Decimal {
  constructor(text: string | number | bigint);
  readonly text: string;
  /** Whether it is below zero, its digits, the power of ten; null for NaN and infinities. */
  parts(): [boolean, bigint, number] | null;
  toString(): string;
  toJSON(): string;
}

/** A float, also where it is whole. */
export class Float {
  constructor(value: number, bits?: bigint);
  readonly value: number;
  /** The bits of a NaN. */
  readonly bits?: bigint;
  valueOf(): number;
  toJSON(): number;
}

export interface Decoding {
  /** Maps are of the class Map, and whole floats of the class Float: `encode` gives the same bytes again. */
  exact?: boolean;
}

/** The bytes of a value in CBOR. What has no form is refused with its path. */
export function encode(value: Value): Uint8Array;
/** The value that these bytes say in CBOR. Integers beyond 2^53 are of the type bigint, all others numbers. */
export function decode(bytes: Uint8Array | ArrayBuffer, options?: Decoding): any;
