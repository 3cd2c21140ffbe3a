/** The client of `linkspan gateway`. */

/** Options of a connection. */
export interface Options {
  /** The token that `linkspan gateway token add` printed. An address with `#token=` also contains it. */
  token?: string;
  /**
   * Whether to reconnect after a broken connection; true by default. Subscriptions and publishers continue, and
   * missed messages are counted.
   */
  reconnect?: boolean;
  /** Seconds for an attempt to connect; 10 by default. */
  timeout?: number;
  /** Bytes of the longest accepted value; 64 MiB by default. */
  maxMessageSize?: number;
  /** The WebSocket class; by default the browser's, and in Node a class of this package that bounds messages. */
  WebSocket?: new (url: string, protocol: string, limits: object) => any;
}

/**
 * Connects to a gateway: `ws://` or `wss://` and a token, or the address that `linkspan gateway` prints.
 *
 * Rejects if the first attempt fails. Later breaks lead to a new connection.
 */
export function connect(url: string | URL, options?: Options): Promise<Lab>;

/**
 * A value to send. Whole numbers are sent as integers: `new Float(21)` is sent as a float. Undefined fields are left
 * out.
 */
export type Value =
  | null | boolean | number | bigint | string | Date | Timestamp | Uuid | Decimal | Float | Uint8Array | ArrayBuffer | TypedArray | NdArray | Message
  | Value[] | Set<Value> | Map<string, Value> | { [key: string]: Value | undefined };

/** The kinds of errors, equal in every language. */
export type Kind =
  | "TransportUnavailable" | "Disconnected" | "NotFound" | "Missing" | "AddressInUse" | "InvalidState" | "InvalidEndpoint" | "OutOfMemory" | "WrongType" | "Timeout"
  | "Full" | "Empty" | "PermissionDenied" | "TooLarge" | "Malformed" | "Unsupported" | "SchemaMismatch" | "VersionMismatch" | "Cancelled" | "Interrupted" | "Stalled"
  | "Remote" | "OutOfRange" | "NoSpace" | "Lagged" | "Corrupt" | "Internal";

/** An error with its kind and code, equal in every language. */
export class LinkspanError extends Error {
  constructor(kind: Kind, text: string, more?: object);
  readonly kind: Kind;
  readonly code: number;
  /** Whether a retry may succeed, without the risk of doing it twice. */
  readonly retry: boolean;
  /** The path of the faulty value, such as `rows/0/name`. */
  readonly path?: string;
  /** The handler's error, for the kind Remote. */
  readonly failure?: { code: number; kind: string; text: string; data: unknown };
}

/** A published message. */
export class Message<T = any> {
  readonly name: string;
  /** The number of the message, from 1 in each incarnation of a publisher. */
  readonly number: number;
  /** When it was sent. */
  readonly time: Timestamp;
  readonly value: T;
  /** The number of messages of its name that were missed or skipped since the previous one. */
  readonly missed: number;
  /**
   * Whether a publisher of the name ended during a lost connection. An unknown number of messages was then missed in
   * addition.
   */
  readonly unseen?: true;
  /** The first 16 hexadecimal digits of its schema's fingerprint. */
  readonly schema?: string;
  /** Why the message has no value: the published bytes are not a value. */
  readonly error?: LinkspanError;
}

/** With `events`: messages, and events of names and of the connection. */
export type Event<T = any> =
  | (Message<T> & { type: "message" })
  | { type: "lagged"; name: string; /** Null: the number is unknown. */ missed: number | null }
  | { type: "joined"; name: string; incarnation: string }
  | { type: "ended"; name: string }
  | { type: "disconnected" };

/** The start of a subscription, by name: the number of the last message that the program has. */
export type From = { [name: string]: number | { number: number; incarnation?: string } };

export interface Subscribing {
  /** Only the newest message of each name; skipped messages are counted. */
  latest?: boolean;
  /** With `latest`: the most messages per second of each name. */
  rate?: number;
  /** The most messages that may wait for the program, 128 by default. Messages beyond it are missed and counted. */
  credit?: number;
  from?: From;
  /** Ends the subscription. */
  signal?: AbortSignal;
}

/** A subscription's state of one name. */
export interface OfName {
  readonly number: number;
  readonly incarnation?: string;
  readonly messages: number;
  readonly missed: number;
  /** The number of publishers that ended during a lost connection, each with an unknown number of missed messages. */
  readonly unseen: number;
}

export interface Subscription<T> extends AsyncIterableIterator<T> {
  /** State by name. `messages` and `missed` sum to the number of published messages. */
  readonly names: ReadonlyMap<string, OfName>;
  /** Missed messages of all names. */
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
  /** Messages per second. */
  rate: number | null;
  peers: number | null;
  schema: string | null;
  problem: string | null;
  /** The problem in words. */
  reason: string | null;
}

export interface Asking {
  /** Seconds; 30 by default. */
  timeout?: number;
  /** Cancels the operation. A call that no server has begun is withdrawn. */
  signal?: AbortSignal;
}

export interface Publisher {
  readonly name: string;
  /** Publishes a value and returns its number. Without a connection, waits for one. */
  send(value: Value): Promise<number>;
  /** Ends the publisher after all sent values. */
  close(): Promise<void>;
}

/** A call of a served name, to be answered once. */
export interface Request<T = any> {
  readonly value: T;
  /** False for a message, which needs no answer. */
  readonly wantsReply: boolean;
  readonly answered: boolean;
  /** Answers with a value. The gateway drops the answer if the caller is gone. */
  reply(value: Value): void;
  /** Fails the call: the caller gets an error of the kind Remote with these fields. */
  fail(text: string, options?: { code?: number; kind?: string; data?: Value }): void;
}

/** A served name: iterate over its requests, or pass a handler to `run`. */
export interface Server<T = any> extends AsyncIterableIterator<Request<T>> {
  readonly name: string;
  readonly isOver: boolean;
  /** Called with a handler's exception, and with the error of an answer that does not fit. */
  onerror?: (error: unknown) => void;
  /**
   * Answers each request with the handler's result until the server closes. Up to `workers` handlers run at once; 1
   * by default.
   */
  run(handler: (request: Request<T>) => Value | undefined | void | Promise<Value | undefined | void>, options?: { workers?: number }): Promise<void>;
  /** Gives the name up. Unanswered requests fail at their callers. */
  close(): void;
}

export interface Lab {
  /** The gateway's first frame of the last connection. */
  readonly welcome: {
    machine: string;
    server: string;
    rights: { name: string; read: string[]; call: string[]; write: string[]; expires: Timestamp | null };
    limits: { [name: string]: number };
  };
  readonly isConnected: boolean;
  /** Called when a connection is made, breaks (with the error), or ends for good. */
  onstate?: (state: "connected" | "disconnected" | "closed", error?: LinkspanError) => void;

  /** Subscribes to a name, a pattern, or several of them: `for await (const message of lab.subscribe("lab/*"))`. */
  subscribe<T = any>(names: string | string[], options: Subscribing & { events: true }): Subscription<Event<T>>;
  subscribe<T = any>(names: string | string[], options?: Subscribing & { events?: false }): Subscription<Message<T>>;
  /** Returns the newest message of a name. */
  latest<T = any>(name: string, options?: Asking): Promise<Message<T>>;
  /** Returns the names that match a pattern and that the token may read, call or write. */
  names(pattern?: string, options?: Asking): Promise<Name[]>;
  /** Like `names`, then again after each change: the changed names, and the names that vanished. */
  follow(pattern?: string): AsyncIterableIterator<{ names: Name[]; gone: string[] }> & { close(): void };
  /** Returns the schema texts of a name and of its replies. */
  schema(name: string, options?: Asking): Promise<{ schema: string; reply_schema: string | null }>;
  /** Calls a server and returns its answer. */
  call<T = any>(name: string, value?: Value, options?: Asking): Promise<T>;
  /**
   * Becomes the publisher of a name. `schema` is a schema text; every value is checked against it. `timeout` is in
   * seconds, 30 by default.
   */
  publisher(name: string, options?: { schema?: string; timeout?: number }): Promise<Publisher>;
  /** Serves a name. `schema` and `replySchema` are schema texts. `timeout` is in seconds, 30 by default. */
  serve<T = any>(name: string, options?: { schema?: string; replySchema?: string; timeout?: number }): Promise<Server<T>>;
  /** Ends the connection and everything opened with it. Loops end without an error. */
  close(): void;
}

export type TypedArray =
  | Uint8ClampedArray | Uint16Array | Uint32Array | BigUint64Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;
export type DType = "bool" | "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f32" | "f64" | "c64" | "c128";

/**
 * An array of numbers with a shape.
 *
 * A one-dimensional array is a plain typed array, except for u8 (a Uint8Array means bytes), bool and complex numbers.
 * `data` has the elements in `order`; the real and imaginary parts of complex numbers alternate.
 */
export class NdArray {
  constructor(data: Uint8Array | TypedArray, shape?: number[], more?: { dtype?: DType; order?: "row" | "column" });
  readonly data: Uint8Array | TypedArray;
  readonly dtype: DType;
  readonly shape: number[];
  readonly order: "row" | "column";
  /** Returns the element at these indices. */
  at(...indices: number[]): number | bigint | [number, number];
}

/** An instant: nanoseconds since 1970 in UTC. */
export class Timestamp {
  constructor(nanoseconds: bigint | number);
  static now(): Timestamp;
  /** Converts a Date or an RFC 3339 text. */
  static from(value: Timestamp | Date | string): Timestamp;
  readonly nanoseconds: bigint;
  /** Seconds since 1970, rounded to a number. */
  readonly seconds: number;
  /** Whole seconds, and the remaining nanoseconds. */
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
  /** Whether it is negative, its digits, and the power of ten; null for NaN and infinities. */
  parts(): [boolean, bigint, number] | null;
  toString(): string;
  toJSON(): string;
}

/** A float, even if its value is whole. */
export class Float {
  constructor(value: number, bits?: bigint);
  readonly value: number;
  /** The bits of a NaN. */
  readonly bits?: bigint;
  valueOf(): number;
  toJSON(): number;
}

export interface Decoding {
  /** Decodes maps to Map and whole floats to Float: `encode` then returns the same bytes. */
  exact?: boolean;
}

/** Encodes a value in CBOR. A value without a form throws an error with its path. */
export function encode(value: Value): Uint8Array;
/** Decodes a value from CBOR. Integers beyond 2^53 become bigint, all other integers numbers. */
export function decode(bytes: Uint8Array | ArrayBuffer, options?: Decoding): any;
