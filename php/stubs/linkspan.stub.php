<?php

/**
 * The interface of the extension `linkspan`, for editors and analysers.
 *
 * Written by hand; tests/stubs.phpt compares it with the extension's reflection.
 *
 * Options are named arguments with the same names in every language. Spread an array of options:
 * `Channel::connect('lab/fft', ...$options)`. An option that a transport lacks raises UnsupportedException, with the
 * reason.
 *
 * - encoding; client_id: a name that survives restarts of the program
 * - timeout: in seconds, INF for ever
 * - buffer, max_message_size: in bytes
 * - delivery: 'latest', 'best_effort', 'at_least_once' or 'durable'
 * - ack: 'auto' or 'manual'; idempotent: requests may be carried out twice
 * - replay_count, replay_bytes: the most unacknowledged messages and bytes kept for replay
 * - absent_clients: the most absent clients for which a listener keeps messages
 * - framing: 'linkspan', 'lines' or 'raw'
 * - durable: a send returns only after the message is on disk
 * - mode, group, allow_uids, allow_gids: the access; spin: µs to poll before parking
 * - linger: seconds that an unclosed channel waits at its end until the peer has consumed all messages; stderr
 *   reports unconsumed ones
 * - on_unconsumed: a callable that gets the number of unconsumed messages. The channel's destructor calls it, at its
 *   last reference or at the end of the script. It does not run after a fatal error or in a forked child.
 * - on_wait: a callable that runs about every 100 ms of a wait; false ends the wait with CancelledException
 * - of a journal: from (a number, a Timestamp, 'first' or 'newest'), segment_bytes, retain_bytes, retain_seconds,
 *   retain_consumed
 * - of a file: locked, written in place under a lock of the file
 * - of a server: shared, several processes, each with this option, may serve the endpoint
 * - of a publisher: replace, takes over the endpoint from another publisher of this process
 * - view_bytes: long byte strings of received messages stay in the sender's memory; each reading copies them from
 *   there
 * - schema: the schema of the messages, as the path of a file or as text; both sides compare their schemas when they
 *   connect
 * - reply_schema: the schema of the replies, for servers and their clients
 * - validate: the values to check against the schemas: 'send', 'receive' or 'both'
 *
 * Time-outs are seconds: INF waits for ever, 0 never waits. The default, also for null, is the option `timeout`, else
 * the ini entry `linkspan.timeout` (30 s). Loops wait for ever: `next` of a server and of a subscriber, foreach and
 * `run`. On the command line the first SIGINT or SIGTERM ends such a loop, and the second ends the script. The script
 * may handle or ignore the signal instead. Signals act as before after the last such object is closed.
 *
 * PHP without thread safety has one thread, so an object carries out one call at a time. Callbacks of on_wait and
 * signal handlers must not make a call of the same kind on the same object: InvalidStateException.
 *
 * An endpoint is a name such as `lab/temperature`, over shared memory, or `transport:name`: shm:, unix:, fifo:,
 * spool:, dgram:, file:, journal:, tcp://host:port.
 *
 * Values: null, bool, int, float, string (UTF-8), arrays (a list if the keys are 0 to n-1, else a map), stdClass
 * (always a map), Bytes, NdArray, Timestamp and \DateTimeInterface, BigInt, Decimal, Uuid, cases of backed enums. A
 * received map is an array. An empty map, and a map with the keys 0 to n-1, is a stdClass: an array would be sent back
 * as a list.
 */

namespace Linkspan;

/**
 * Encodes a value. An encoding is a case of Encoding or its value: `encode($value, 'json')`.
 * @param Encoding|string $encoding
 * @throws LinkspanException
 */
function encode(mixed $value, mixed $encoding = Encoding::Cbor): string {}

/**
 * Decodes bytes to a value.
 * @param Encoding|string $encoding
 * @throws LinkspanException
 */
function decode(string $bytes, mixed $encoding = Encoding::Cbor): mixed {}

/**
 * Creates an instance of a generated class from a message; null if the message does not fit.
 *
 * Generated classes call it in `decode`, which throws the reason.
 * @internal
 * @template T of object
 * @param class-string<T> $class
 * @param Message|Request $message
 * @return T|null
 * @throws LinkspanException
 */
function decode_instance(string $class, mixed $message): mixed {}

/**
 * Packs a record to its bytes; null if it does not fit.
 *
 * Generated classes call it in `pack`, which throws the reason.
 * @internal
 * @throws LinkspanException
 */
function pack_instance(object $record): ?string {}

/**
 * Unpacks a record from its bytes; null if they do not fit.
 *
 * Generated classes call it in `unpack`, which throws the reason.
 * @internal
 * @template T of object
 * @param class-string<T> $class
 * @return T|null
 * @throws LinkspanException
 */
function unpack_instance(string $class, mixed $block): mixed {}

/**
 * Converts bytes of one encoding to another.
 * @param Encoding|string $from
 * @param Encoding|string $to
 * @throws LinkspanException
 */
function transcode(string $bytes, mixed $from, mixed $to): string {}

/** Connects if a program listens at the endpoint and listens otherwise: Channel::open. @throws LinkspanException */
function open(string $endpoint, mixed ...$options): Channel {}

/**
 * Connects to the program that listens or serves at the endpoint; waits for one: Channel::connect.
 * @throws LinkspanException
 */
function connect(string $endpoint, mixed ...$options): Channel {}

/** Listens at the endpoint: Listener::listen. @throws LinkspanException */
function listen(string $endpoint, mixed ...$options): Listener {}

/** Serves requests at the endpoint: Server::serve. @throws LinkspanException */
function serve(string $endpoint, mixed ...$options): Server {}

/** Publishes at the endpoint: new Publisher. @throws LinkspanException */
function publisher(string $endpoint, mixed ...$options): Publisher {}

/**
 * Subscribes without waiting for the publisher. Late subscribers first receive the latest value.
 *
 * With a pattern (`lab/*`), or a list of names and patterns, endpoints that appear later join, and each message has
 * its name.
 * @param string|list<string> $endpoint
 */
function subscribe(mixed $endpoint, mixed ...$options): Subscriber {}

/**
 * Returns the newest value of a publisher at once: `Linkspan\latest('lab/temperature')['celsius']`.
 *
 * With the option timeout it waits that long for a publisher and its first value.
 * @throws EmptyException if nothing was published, NotFoundException if no program publishes
 */
function latest(string $endpoint, mixed ...$options): Message {}

/**
 * Returns the open endpoints of this machine, as `linkspan ls` lists them.
 *
 * Each is a map with `endpoint`, `pattern`, `pid`, `program`, `messages` and others. An unknown value is null, and
 * `problem` has the reason.
 * @return list<array<string, mixed>>
 */
function names(): array {}

/**
 * Returns the schema of the endpoint from the program that listens there, or from its spool or journal.
 *
 * `Linkspan\schema('lab/power')['type']['fields']` are the fields: arrays with name and type. A type has kind and, as
 * they apply, unit, range (two numbers), values, shape. The schema is the canonical form, without descriptions. Waits
 * at most 3 s. With a message of that endpoint, returns the schema of that message: records of a journal may differ.
 * @throws NotFoundException if no program listens, MissingException if no schema was given
 */
function schema(string $endpoint, ?Message $message = null): mixed {}

/**
 * Returns the schema of the replies, the server's option reply_schema; otherwise like schema().
 * @throws NotFoundException if no program listens, MissingException if no schema was given
 */
function reply_schema(string $endpoint): mixed {}

enum Encoding: string
{
    case Raw = 'raw';
    case Json = 'json';
    case Cbor = 'cbor';
    case Bson = 'bson';
    case Smile = 'smile';
}

/** The state of a service. */
enum State: string
{
    /** It starts and opens its resources. */
    case Starting = 'STARTING';
    /** It is set up and waits for RUN. */
    case Ready = 'READY';
    /** It does its work, step by step. */
    case Running = 'RUNNING';
    /** It finishes its step, checkpoints and closes. */
    case Pausing = 'PAUSING';
    /** Its output is checkpointed and closed; it waits for RUN. */
    case Paused = 'PAUSED';
    /** It does no step and checkpoints. */
    case Checkpointing = 'CHECKPOINTING';
    /** It finishes its step, checkpoints, closes and disconnects. */
    case Stopping = 'STOPPING';
    /** It has ended normally. */
    case Stopped = 'STOPPED';
    /** It cannot continue; its reason is in its record. */
    case Failed = 'FAILED';
}

/** How current the controller's record of a service is. */
enum View: string
{
    /** It is connected, and a heartbeat arrived in time. */
    case Connected = 'CONNECTED';
    /** It is connected, but no heartbeat arrived in time. */
    case Stale = 'STALE';
    /** Its connection has ended; it may reconnect. */
    case Disconnected = 'DISCONNECTED';
    /** It has ended normally, or has been disconnected for too long. */
    case Gone = 'GONE';
}

/** The commands for a service. */
enum Command: string
{
    /** Reply with the data; change nothing. */
    case GetData = 'GET_DATA';
    /** Finish the step, checkpoint, close, wait. */
    case Pause = 'PAUSE';
    /** Open again and continue. */
    case Run = 'RUN';
    /** Do no step, checkpoint, continue. */
    case Checkpoint = 'CHECKPOINT';
    /** Checkpoint, close, disconnect, end. */
    case Shutdown = 'SHUTDOWN';
    /** Return the state, whatever the program is doing. */
    case Status = 'STATUS';
    /** Return the description and the commands that it accepts. */
    case Describe = 'DESCRIBE';
    /** Return the counters. */
    case Stats = 'STATS';
    /** Return or change the settings. */
    case Config = 'CONFIG';
    /** Return the last lines of its log. */
    case Log = 'LOG';
    /** Write a backup copy of its data. */
    case Backup = 'BACKUP';
    /** Cancel a command, or the work in progress. */
    case Cancel = 'CANCEL';
}

/** How far a command has come. */
enum Outcome: string
{
    /** The service will carry it out. */
    case Accepted = 'ACCEPTED';
    /** It is done. */
    case Done = 'DONE';
    /** It failed, or was not done in time. */
    case Failed = 'FAILED';
    /** The state does not allow it, or the service does not have it; nothing was done. */
    case Rejected = 'REJECTED';
}

/** Bytes other than text. JSON shows them in base64. */
final class Bytes implements \Countable, \JsonSerializable, \Stringable
{
    public readonly string $data;
    public function __construct(string $data) {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): Bytes {}
    public function count(): int {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/**
 * Memory that a channel, a publisher or a request lends for opaque bytes.
 *
 * The program copies strings into it piece by piece, so that a long message need not be one string. In a value it
 * stands for its bytes. After it was encoded, it refuses writes.
 */
final class BytesLoan implements \Countable, \JsonSerializable
{
    private function __construct() {}
    /** Copies a string into it. @throws OutOfRangeException if the loan has too few bytes */
    public function write(string $bytes, int $offset = 0): void {}
    /** Shortens it to its first $length bytes; only these are sent. */
    public function truncate(int $length): void {}
    public function count(): int {}
    /** The bytes as base64, as Bytes. */
    public function jsonSerialize(): mixed {}
}

/** An instant: nanoseconds since 1970 in UTC, shown as RFC 3339. */
final class Timestamp implements \JsonSerializable, \Stringable
{
    public readonly int $nanoseconds;
    public readonly float $seconds;
    public function __construct(int $nanoseconds) {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): Timestamp {}
    public static function now(): Timestamp {}
    /** @throws MalformedException if the text is not RFC 3339 */
    public static function parse(string $text): Timestamp {}
    public static function fromDateTime(\DateTimeInterface $time): Timestamp {}
    /** Rounds to the microsecond, in UTC. */
    public function toDateTime(): \DateTimeImmutable {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/** An integer beyond int, as decimal text. A value that fits 64 bits is sent as a plain integer. */
final class BigInt implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): BigInt {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/** An exact decimal number; 1.10 stays 1.10. */
final class Decimal implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): Decimal {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

final class Uuid implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): Uuid {}
    /** Creates one from its 16 bytes. */
    public static function fromBytes(string $bytes): Uuid {}
    /** Returns its 16 bytes. */
    public function toBytes(): string {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/**
 * The iterator of foreach over a server, a subscriber, a watch or an array.
 *
 * Waits for each item for ever (a watch: for its time-out). It ends at close, and over a server or a subscriber also
 * at a stop signal.
 */
final class Iteration implements \Iterator
{
    private function __construct() {}
    public function current(): mixed {}
    public function key(): mixed {}
    public function next(): void {}
    public function rewind(): void {}
    public function valid(): bool {}
}

/**
 * An N-d array of numbers.
 *
 * It has an element type (bool, i8 … u64, f32, f64, c64, c128), a shape, and an order (row or column). One
 * little-endian string has its elements. `$a[1]` is a number of a vector, or a sub-array of an array with more
 * dimensions; `$a[[1, 2]]` indexes two dimensions. A complex number is a list of its two parts.
 */
final class NdArray implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable
{
    public readonly string $dtype;
    /** @var list<int> */
    public readonly array $shape;
    public readonly string $order;
    public readonly string $data;
    public function __construct(string $dtype, array $shape, string $data, string $order = 'row') {}
    /** Recreates it from the output of var_export. */
    public static function __set_state(array $properties): NdArray {}
    /** Creates one from nested lists, row by row. */
    public static function fromArray(array $items, string $dtype = 'f64'): NdArray {}
    /** Returns nested lists; a number for an array without dimensions. */
    public function toArray(): mixed {}
    /**
     * The numbers of a vector, or the sub-arrays of an array with more dimensions.
     *
     * @throws WrongTypeException for an array without dimensions
     */
    public function getIterator(): Iteration {}
    /** The length of the first dimension. */
    public function count(): int {}
    public function offsetExists(mixed $offset): bool {}
    public function offsetGet(mixed $offset): mixed {}
    public function offsetSet(mixed $offset, mixed $value): void {}
    public function offsetUnset(mixed $offset): void {}
    public function jsonSerialize(): mixed {}
}

/**
 * A received message.
 *
 * `$message['celsius']` is the value of a key, `$message[0]` an item, `$message->get('rows/0/x')` the value at a path.
 * A path joins keys and positions with `/`; in a key, ~1 stands for / and ~0 for ~.
 */
final class Message implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable, \Stringable
{
    public readonly mixed $value;
    /** Its number in the sender's session, from 1. */
    public readonly int $sequence;
    /** The time of sending, by the sender's clock. */
    public readonly Timestamp $sent;
    /** The sender: its client_id, else the program's name and process number. */
    public readonly string $source;
    /** The endpoint of the message, if the subscriber has a pattern; null otherwise. */
    public readonly ?string $name;
    public readonly Encoding $encoding;
    /** The number of messages missed directly before this one. */
    public readonly int $missed;
    private function __construct() {}
    /** @throws MissingException|WrongTypeException */
    public function get(string $path): mixed {}
    /**
     * The number of entries of the map, of items of the list, or the length of the array's first dimension.
     *
     * @throws WrongTypeException for any other value
     */
    public function count(): int {}
    /**
     * The entries of a map, the items of a list, the numbers or sub-arrays of an array.
     *
     * @throws WrongTypeException for any other value
     */
    public function getIterator(): \ArrayIterator {}
    public function offsetExists(mixed $offset): bool {}
    public function offsetGet(mixed $offset): mixed {}
    public function offsetSet(mixed $offset, mixed $value): void {}
    public function offsetUnset(mixed $offset): void {}
    /**
     * Checks that code generated from the schema with this fingerprint may decode the message.
     *
     * Generated classes call it in `decode`.
     * @throws SchemaMismatchException if the sender gave another schema, unless this side was opened with this one
     */
    public function checkFingerprint(string $fingerprint): void {}
    /** Whether the sender waits for a reply. */
    public function wantsReply(): bool {}
    public function jsonSerialize(): mixed {}
    /** Returns JSON for people, as json_encode($message) does; null for NAN, INF and bytes other than text. */
    public function __toString(): string {}
}

/** A message that waits for its one reply. If it is freed without a reply, the caller gets RemoteException. */
final class Request implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable, \Stringable
{
    public readonly mixed $value;
    public readonly int $sequence;
    public readonly Timestamp $sent;
    public readonly string $source;
    public readonly ?string $name;
    public readonly Encoding $encoding;
    public readonly int $missed;
    private function __construct() {}
    public function get(string $path): mixed {}
    /**
     * The number of entries of the map, of items of the list, or the length of the array's first dimension.
     *
     * @throws WrongTypeException for any other value
     */
    public function count(): int {}
    /**
     * The entries of a map, the items of a list, the numbers or sub-arrays of an array.
     *
     * @throws WrongTypeException for any other value
     */
    public function getIterator(): \ArrayIterator {}
    public function offsetExists(mixed $offset): bool {}
    public function offsetGet(mixed $offset): mixed {}
    public function offsetSet(mixed $offset, mixed $value): void {}
    public function offsetUnset(mixed $offset): void {}
    /** @throws SchemaMismatchException like Message::checkFingerprint */
    public function checkFingerprint(string $fingerprint): void {}
    public function wantsReply(): bool {}
    public function jsonSerialize(): mixed {}
    /** Returns JSON for people, as json_encode($message) does; null for NAN, INF and bytes other than text. */
    public function __toString(): string {}
    public function reply(mixed $value): void {}
    /** Lends memory for bytes of the reply, like Channel::loanBytes. */
    public function loanBytes(int $length): BytesLoan {}
    /**
     * Acknowledges it and all earlier messages of its sender, for a server with ack: 'manual'. A reply does it also.
     */
    public function ack(): void {}
    /** Answers with an error: text for people, a dotted type and a code for the program, and optional data. */
    public function fail(string $text, string $type = '', int $code = -32603, mixed $data = null): void {}
}

/** An event of an object: 'connected', 'disconnected', 'reconnected', 'lagged', 'forgotten' or 'schema_mismatch'. */
final class Event
{
    public readonly string $kind;
    public readonly Timestamp $at;
    public readonly int $missed;
    public readonly string $text;
    private function __construct() {}
}

/**
 * A request from Channel::startCall, for finishCall of the same channel.
 *
 * Freeing it before that withdraws the request.
 */
final class PendingReply
{
    private function __construct() {}
}

/** A channel: two ends, messages in both directions, requests and replies. */
final class Channel
{
    private function __construct() {}
    /** Connects: waits until a program listens, and connects again when the peer restarts. */
    public static function connect(string $endpoint, mixed ...$options): Channel {}
    /** Like connect; the connection outlives the request and serves the next one of this FPM worker. */
    public static function persistent(string $endpoint, mixed ...$options): Channel {}
    /** Connects if a program listens; listens otherwise. */
    public static function open(string $endpoint, mixed ...$options): Channel {}
    /** Returns the sequence number. */
    public function send(mixed $value, ?float $timeout = null): int {}
    /**
     * Sends each value as a separate message; returns their number.
     *
     * Up to 64 short messages share one wake-up or one system call, if the transport can. getSent() of an exception is
     * the number of messages that were sent before it.
     * @param array<mixed> $values
     */
    public function sendMany(array $values, ?float $timeout = null): int {}
    /** @throws FullException if no space is free or no program is connected */
    public function trySend(mixed $value): int {}
    /**
     * Lends memory for $length opaque bytes, such as a camera frame.
     *
     * Over `shm:`, with the encodings cbor and raw, the bytes are sent once from this memory without a copy. At most
     * 4 KiB of other values may surround them. Elsewhere it is ordinary memory.
     */
    public function loanBytes(int $length): BytesLoan {}
    /** @throws TimeoutException */
    public function recv(?float $timeout = null): Message {}
    /**
     * Waits for a message and takes it and the next ones that have arrived, at most $max.
     *
     * They count as consumed at the next call that receives.
     * @return list<Message>
     */
    public function recvMany(int $max = 64, ?float $timeout = null): array {}
    /** @throws EmptyException if none is available */
    public function tryRecv(): Message {}
    /** @throws RemoteException|DisconnectedException|TimeoutException */
    public function call(mixed $value, ?float $timeout = null): Message {}
    /**
     * Sends a request and returns without waiting for its reply; finishCall waits.
     *
     * Any number of requests may be under way. Replies arrive in any order, also while this end calls and receives.
     * The channel keeps the replies to the newest 1,024 unfinished requests.
     */
    public function startCall(mixed $value, ?float $timeout = null): PendingReply {}
    /**
     * Returns the reply to a request from startCall.
     *
     * With a timeout of 0 it throws TimeoutException until the reply has arrived, and may be called again. If a longer
     * timeout passes, the request is given up.
     * @throws RemoteException|DisconnectedException|TimeoutException
     */
    public function finishCall(PendingReply $pending, ?float $timeout = null): Message {}
    /** Replies to a message from recv that wants a reply. */
    public function reply(Message $request, mixed $value, ?float $timeout = null): void {}
    /** Acknowledges all received messages, for a channel with ack: 'manual'. */
    public function ack(): void {}
    /** Returns whether a message can be received at once. */
    public function poll(): bool {}
    public function writable(): bool {}
    /** @return list<Event> the events since the last call */
    public function events(): array {}
    /** 'listener' or 'connector'. */
    public function role(): string {}
    public function endpoint(): string {}
    /** Returns a file descriptor that is readable while tryRecv would return at once. */
    public function fileno(): int {}
    /**
     * Returns a stream for an event loop or stream_select: readable while the object has a message or an event.
     *
     * The stream has a separate descriptor. Receive until EmptyException before the next wait. Only for command-line
     * programs.
     * @return resource
     */
    public function stream(): mixed {}
    /**
     * Returns counters: sent, received, missed, dropped, connections.
     *
     * Of the session: acknowledged, unacknowledged, replayed, consumed, unconsumed, duplicates.
     * @return array<string, mixed>
     */
    public function stats(): array {}
    /**
     * Waits until the peer has consumed all sent messages.
     *
     * getMissed() of its exception is the number of unconsumed messages. If on_wait closes the channel meanwhile:
     * InvalidStateException.
     */
    public function flush(?float $timeout = null): void {}
    /** Waits until the peer has consumed all sent messages, then closes. */
    public function close(?float $timeout = null): void {}
    /** Calls on_unconsumed, if the channel has one and was not closed; its exception leaves the destructor. */
    public function __destruct() {}
}

/** Accepts peers one by one, each as a separate channel. */
final class Listener
{
    private function __construct() {}
    public static function listen(string $endpoint, mixed ...$options): Listener {}
    public function accept(?float $timeout = null): Channel {}
    public function endpoint(): string {}
    public function fileno(): int {}
    /** Returns a stream for event loops, like Channel::stream. @return resource */
    public function stream(): mixed {}
    /** @return list<Event> the events since the last call */
    public function events(): array {}
    public function stats(): array {}
    public function close(): void {}
}

/** Takes the requests of many clients one by one: iterate, or pass run() a handler. */
final class Server implements \IteratorAggregate
{
    private function __construct() {}
    public static function serve(string $endpoint, mixed ...$options): Server {}
    /** Returns the next request; null after close, or at SIGINT or SIGTERM. Waits for ever by default. */
    public function next(?float $timeout = INF): ?Request {}
    /**
     * Replies to each request with the result of the handler.
     *
     * An exception of the handler is answered with its class and text and shown as a warning; the loop continues.
     * @param callable(Request): mixed $handler
     */
    public function run(callable $handler): void {}
    /** @return Iteration<int, Request> */
    public function getIterator(): Iteration {}
    public function events(): array {}
    public function endpoint(): string {}
    public function fileno(): int {}
    /** Returns a stream for event loops, like Channel::stream. @return resource */
    public function stream(): mixed {}
    public function stats(): array {}
    public function close(?float $timeout = null): void {}
}

/**
 * Reads memory that another program shares: `posix:/name`, `sysv:0x1234`, or an absolute path.
 *
 * Every call copies the current bytes.
 */
final class Region implements \Countable
{
    /** @throws NotFoundException|PermissionDeniedException */
    public function __construct(string $source) {}
    /** Returns the bytes between two structs of this layout in an array, like C's sizeof. */
    public static function sizeof(string $layout): int {}
    /** Returns the source that was opened. */
    public function source(): string {}
    /** Returns the current length in bytes. */
    public function count(): int {}
    /** @throws OutOfRangeException if the region has fewer bytes */
    public function bytes(int $offset, int $length): string {}
    /** Returns the text at an offset, up to the first NUL or the end. */
    public function text(int $offset = 0): string {}
    /**
     * Returns the fields of a struct such as `f64 celsius; u32 count; char name[16]; i16 raw[8] @64`.
     *
     * Numbers with dimensions are NdArrays. `counter` names the field with the owner's count of writes, odd during a
     * write: then all fields come from one write.
     * @return array<string, mixed>
     */
    public function read(string $layout, int $offset = 0, ?string $counter = null): array {}
    /** Releases the memory. */
    public function close(): void {}
}

/**
 * Publishes to any number of subscribers and never waits for a slow one.
 *
 * A send to a `journal:` returns the sequence number after the value is on disk. A `file:` waits for its lock.
 */
final class Publisher
{
    public function __construct(string $endpoint, mixed ...$options) {}
    /** Returns the sequence number. */
    public function send(mixed $value): int {}
    /**
     * Publishes each value as a separate message; returns their number.
     *
     * Up to 64 messages share one wake-up or one system call per subscriber. getSent() of an exception is the number
     * of messages that were published before it.
     * @param array<mixed> $values
     */
    public function sendMany(array $values): int {}
    /** Lends memory for bytes to publish, like Channel::loanBytes. */
    public function loanBytes(int $length): BytesLoan {}
    /** Returns the current number of subscribers. */
    public function subscribers(): int {}
    public function endpoint(): string {}
    public function events(): array {}
    public function stats(): array {}
    /**
     * Waits until this many subscribers are connected.
     *
     * TimeoutException if fewer connected. If on_wait closes the publisher meanwhile: InvalidStateException.
     */
    public function waitForSubscribers(int $count, ?float $timeout = null): void {}
    /**
     * Waits until every connected subscriber has all messages: over shm: read them, elsewhere the kernel took them.
     *
     * getMissed() of its exception is the number of messages left for the slowest subscriber. If on_wait closes the
     * publisher meanwhile: InvalidStateException, with the same number.
     */
    public function flush(?float $timeout = null): void {}
    /** Closes after waiting subscribers have connected and slow ones have received their pending messages. */
    public function close(?float $timeout = null): void {}
}

/**
 * The result of subscribe().
 *
 * After an overrun it throws LaggedException once, with the number of missed messages. The next call continues.
 */
final class Subscriber implements \IteratorAggregate
{
    private function __construct() {}
    public function recv(?float $timeout = null): Message {}
    /**
     * Waits for a message and takes it and the next ones that have arrived, at most $max.
     * @return list<Message>
     */
    public function recvMany(int $max = 64, ?float $timeout = null): array {}
    public function tryRecv(): Message {}
    /** Returns the next message; null after close, or at SIGINT or SIGTERM. Waits for ever by default. */
    public function next(?float $timeout = INF): ?Message {}
    /** @return Iteration<int, Message> */
    public function getIterator(): Iteration {}
    /** Acknowledges the last message and all before it: for a subscriber with ack: 'manual'. */
    public function ack(): void {}
    public function poll(): bool {}
    public function events(): array {}
    public function endpoint(): string {}
    public function fileno(): int {}
    /** Returns a stream for event loops, like Channel::stream. @return resource */
    public function stream(): mixed {}
    public function stats(): array {}
    public function close(): void {}
}

/**
 * Sends commands and queries to services through the program `linkspan controller`.
 *
 * The services connect to that program: `(new Linkspan\Controller)->service('power')->pause()`. Each object has a
 * separate connection, which outlives the request and serves the next one of this FPM worker. After a restart of the
 * controller, the next call connects again.
 */
final class Controller
{
    /**
     * Waits until the controller listens.
     *
     * The default endpoint is the environment variable LINKSPAN_CONTROLLER, else `unix:controller`.
     * @throws NotFoundException|TimeoutException|PermissionDeniedException
     */
    public function __construct(?string $endpoint = null, mixed ...$options) {}
    /**
     * Returns the controller's record of each service.
     *
     * - name, view (a View's value), state (a State's value), since, busy (seconds of the current work), doing, steps
     * - reason (a problem that the service reports), problem (a problem that the controller detects)
     * - epoch, pid, program, description, commands, every, source, first_seen, last_seen, connections
     * - answered (accepted, done, failed, rejected), open (commands under way)
     * - allowed: the commands that its state and view permit, for the buttons of a page
     * @return list<array<string, mixed>>
     */
    public function services(?float $timeout = null): array {}
    /** Returns a service by its name; each call looks the name up. */
    public function service(string $name): ServiceHandle {}
    /**
     * Returns the last lines of the controller's event log.
     * @return list<array{at: Timestamp, service: string, level: string, text: string}>
     */
    public function log(int $lines = 100, ?float $timeout = null): array {}
    /**
     * Watches all services, or the named ones, over a separate connection.
     *
     * data_every is the interval in seconds at which it also reads their data. timeout is the time-out of the wait for
     * the next event, null for ever.
     * @param ?list<string> $services
     */
    public function watch(?array $services = null, ?float $data_every = null, ?float $timeout = INF): Watch {}
    /** Makes the controller forget a service that is disconnected. @throws InvalidStateException if it is connected */
    public function forget(string $service, ?float $timeout = null): void {}
    /** @return array<string, mixed> the controller's counters */
    public function stats(?float $timeout = null): array {}
    public function endpoint(): string {}
    /** Closes the connection; services still carry out commands under way. */
    public function close(): void {}
}

/**
 * One service of a controller.
 *
 * A command waits until the service has done it, and returns its result. With wait: false it waits only until the
 * service accepts it, and returns an Answer, whose id answer() takes. timeout is the deadline of the command: the
 * controller withdraws a command that has not begun by then.
 *
 * @throws NotFoundException if the controller has no service of this name
 * @throws InvalidStateException if the service's state forbids the command; nothing was done
 * @throws TimeoutException if it was not done in time; the text states whether it is still under way
 * @throws DisconnectedException if the service was disconnected until the deadline
 * @throws RemoteException if the service failed to do it, with the service's text
 */
final class ServiceHandle
{
    public readonly string $name;
    private function __construct() {}
    /** Returns the controller's record of it: see Controller::services. @return array<string, mixed> */
    public function status(?float $timeout = null): array {}
    /** Returns its current data. */
    public function getData(?float $timeout = null, bool $wait = true): mixed {}
    /** Makes it finish its step, checkpoint, close its files, and wait. */
    public function pause(?float $timeout = null, bool $wait = true): mixed {}
    /** Makes it open its files again and continue. */
    public function run(?float $timeout = null, bool $wait = true): mixed {}
    /** Makes it checkpoint between two steps and continue. */
    public function checkpoint(?float $timeout = null, bool $wait = true): mixed {}
    /** Makes it checkpoint, close and end. A second call cancels the work in progress. */
    public function shutdown(?float $timeout = null, bool $wait = true): mixed {}
    /** Gets its settings; with an argument, changes them first. */
    public function config(mixed $settings = null, ?float $timeout = null, bool $wait = true): mixed {}
    /** Makes it write a backup copy of its data to this path on its machine. */
    public function backup(string $path, ?float $timeout = null, bool $wait = true): mixed {}
    /** Withdraws or cancels the command with this id; without an id, cancels the work in progress, also a step. */
    public function cancel(?string $id = null, ?float $timeout = null, bool $wait = true): mixed {}
    /** Returns its description and the commands that it accepts. */
    public function describe(?float $timeout = null, bool $wait = true): mixed {}
    /** Returns its counters. */
    public function stats(?float $timeout = null, bool $wait = true): mixed {}
    /**
     * Returns the controller's last lines of the service's log.
     * @return list<array{at: Timestamp, service: string, level: string, text: string}>
     */
    public function log(int $lines = 100, ?float $timeout = null): array {}
    /**
     * Sends any command: a case of the enum, or the name of a command of the service.
     * @param Command|string $command
     */
    public function command(mixed $command, mixed $arguments = null, ?float $timeout = null, bool $wait = true): mixed {}
    /**
     * Sends a command with an id of your choice, 1 to 64 bytes; returns the final answer, whatever it is.
     *
     * Orders with the same id are the same command: the service carries it out once and gives the same answer for ten
     * minutes. The token of a form is such an id. epoch is the incarnation of the service, as in status(); another
     * incarnation refuses the command.
     * @param Command|string $command
     * @param int|BigInt|null $epoch
     */
    public function order(string $id, mixed $command, mixed $arguments = null, mixed $epoch = null, ?float $timeout = null): Answer {}
    /** Makes the controller forget it after it is disconnected. */
    public function forget(?float $timeout = null): void {}
    /** Returns the answer to the command with this id: its final answer, or Accepted while it is under way. */
    public function answer(string $id, ?float $timeout = null): Answer {}
}

/** The answer to a command. */
final class Answer implements \JsonSerializable
{
    public readonly string $id;
    public readonly Outcome $outcome;
    /** The state of the service when it answered. */
    public readonly State $state;
    /** The result of the command, if it is Done. */
    public readonly mixed $value;
    /** The reason if it Failed or was Rejected. */
    public readonly ?LinkspanException $error;
    private function __construct() {}
    public function jsonSerialize(): mixed {}
}

/**
 * The events of services as they occur.
 *
 * Arrays with `what`: 'service' (service: its record as in Controller::services), 'gone' (name), 'data' (name, at,
 * value), 'log' (entry), 'missed' (count: the number of events dropped because the program did not take them in time).
 */
final class Watch implements \IteratorAggregate
{
    private function __construct() {}
    /**
     * Returns the next event; the default time-out is that of watch().
     * @return array<string, mixed>
     * @throws TimeoutException if none occurs in time
     */
    public function next(?float $timeout = null): array {}
    /** @return Iteration<int, array<string, mixed>> */
    public function getIterator(): Iteration {}
    /** Returns a file descriptor that is readable while next may return at once. */
    public function fileno(): int {}
    /**
     * Returns a stream for an event loop or stream_select: readable while an event may be available.
     *
     * The stream has a separate descriptor. Call next(0) until TimeoutException before the next wait. Only for
     * command-line programs.
     * @return resource
     */
    public function stream(): mixed {}
    public function close(): void {}
}

/**
 * An error as an HTTP response by RFC 9457.
 *
 * `application/problem+json` with type, title, status, detail, code, kind, and answer if a service refused a command
 * or failed.
 */
final class Problem
{
    /** 400 to 599. */
    public readonly int $status;
    /** The kind of the error: `Timeout`. */
    public readonly string $kind;
    /** The text of the error. */
    public readonly string $detail;
    /** The headers of the response by their names in lower case. @var array<string, string> */
    public readonly array $headers;
    /** The body of the response, in JSON. */
    public readonly string $body;
    private function __construct() {}
    /** The problem of an error, with the status of its kind. @param LinkspanException $error */
    public static function of(object $error): Problem {}
    /** The problem of an answer that is Failed or Rejected; null for Done and Accepted. */
    public static function ofAnswer(Answer $answer): ?Problem {}
    /** 503 for a controller that cannot be reached, for any error. @param LinkspanException $error */
    public static function unreachable(object $error): Problem {}
    /** 405 for an address that accepts only the method $allow. */
    public static function method(string $allow): Problem {}
    /** @throws OutOfRangeException for a status below 400 or above 599, or an unknown kind */
    public static function create(int $status, string $kind, string $detail): Problem {}
}

/**
 * The rules of the controller's page: the allowed requests, and their decoding.
 *
 * They are the rules of `linkspan controller --http`. $server is $_SERVER. examples/controller-page is a complete
 * page.
 */
final class ControllerPage
{
    /** The longest body of a request, in bytes. */
    public const MAX_BODY = 65536;
    /** The lines of the log in the first event of a stream. */
    public const SNAPSHOT_LOG_LINES = 300;
    /**
     * @param string $token_file a file of mode 0600 with the token, 64 hexadecimal digits, or with the page's address
     *     with the
     *   token
     * @param list<string>|null $hosts authorities besides loopback under which browsers reach the page, such as
     *     `lab.example`;
     *   with one, requests come also from other machines
     */
    public function __construct(string $token_file, ?array $hosts = null) {}
    /**
     * Refuses a request for another name than the page's (DNS rebinding), and a request from another site's page.
     *
     * Call it first.
     * @param array<string, mixed> $server
     */
    public function checkOrigin(array $server): ?Problem {}
    /** Refuses a request without the token. @param array<string, mixed> $server */
    public function checkToken(array $server): ?Problem {}
    /** The headers of every response. @return array<string, string> */
    public static function securityHeaders(): array {}
    /**
     * Returns the command in a body of JSON.
     * @param array<string, mixed> $server
     * @return array{id: string, command: string, arguments: mixed, within: float, wait: bool}|Problem
     */
    public static function decodeCommand(array $server, string $body): mixed {}
    /** Returns the number of lines that a query asks for; 200 for null. @return int|Problem */
    public static function logLines(mixed $parameter = null): mixed {}
    /** Returns 202 for an answer that is Accepted, otherwise 200; for Failed and Rejected see Problem::ofAnswer. */
    public static function answerStatus(Answer $answer): int {}
    /**
     * Converts an event of Watch to an event of a page's stream; null for an event that pages do not show.
     *
     * The size replaces long data.
     * @param array<string, mixed> $event
     * @return array{name: string, json: string}|null
     */
    public static function event(mixed $event): ?array {}
}

/**
 * The base of all errors; getCode() is the number of its kind.
 *
 * Each subclass is a kind of the table of all languages.
 */
class LinkspanException extends \RuntimeException
{
    protected $kind;
    protected $retryable = false;
    protected $endpoint;
    protected $path;
    protected $offset;
    protected $missed;
    protected $sent;
    protected $remoteCode;
    protected $remoteType;
    protected $remoteText;
    protected $data;
    /** The kind's name, the same in every language: `Timeout`. */
    final public function getKind(): string {}
    /** Whether the same call can succeed later without a change to the program. */
    final public function isRetryable(): bool {}
    final public function getEndpoint(): ?string {}
    /** Keys and positions in the value, joined by `/`. */
    final public function getPath(): ?string {}
    /** The offset in the bytes. */
    final public function getOffset(): ?int {}
    /** The number of messages that a subscriber missed. */
    final public function getMissed(): ?int {}
    /** The number of messages of a sendMany that were sent before the error. */
    final public function getSent(): ?int {}
    /** The code from the peer's handler. */
    final public function getRemoteCode(): ?int {}
    /** The dotted type, or the class of the exception, from the peer's handler. */
    final public function getRemoteType(): ?string {}
    final public function getRemoteText(): ?string {}
    /** The data from the peer's handler. */
    final public function getData(): mixed {}
}

/** 100: this system does not support that transport. Use another transport. */
final class TransportUnavailableException extends LinkspanException { protected $code = 100; }

/**
 * 102: the connection to the other side ended. Call again: the side that connected reconnects by itself. A request that
 * was under way may have been carried out.
 */
final class DisconnectedException extends LinkspanException { protected $code = 102; }

/** 103: no program listens at that name. Start that program, or correct the name or `LINKSPAN_DIR`. */
final class NotFoundException extends LinkspanException { protected $code = 103; }

/** 104: no value at that path. Correct the path: the text names what is there instead. */
final class MissingException extends LinkspanException { protected $code = 104; }

/** 105: another program listens at that name. Choose another name, or end the other program. */
final class AddressInUseException extends LinkspanException { protected $code = 105; }

/**
 * 106: the object does not allow this call now (closed, wrong pattern, other side of a fork). Correct the program: the
 * text has the reason.
 */
final class InvalidStateException extends LinkspanException { protected $code = 106; }

/** 107: the name or port is malformed. Correct it as the text describes. */
final class InvalidEndpointException extends LinkspanException { protected $code = 107; }

/**
 * 108: memory, descriptors or space in the memory file ran out. Release messages and arrays, or raise the limit, and
 * call again.
 */
final class OutOfMemoryException extends LinkspanException { protected $code = 108; }

/** 109: a value of another type was found; the text has both types. Ask for the type that is there. */
final class WrongTypeException extends LinkspanException { protected $code = 109; }

/** 110: the deadline passed; nothing was lost. Call again, or give the call more time. */
final class TimeoutException extends LinkspanException { protected $code = 110; }

/**
 * 111: the queue is full and the call does not wait. Call again once the reader has consumed messages, or use a call
 * that waits.
 */
final class FullException extends LinkspanException { protected $code = 111; }

/** 112: no message is available and the call does not wait. Call again later, or use a call that waits. */
final class EmptyException extends LinkspanException { protected $code = 112; }

/** 113: the mode, the owner or the peer's credentials forbid it. Give both users access, as the text describes. */
final class PermissionDeniedException extends LinkspanException { protected $code = 113; }

/** 114: over a limit; the text has the limit, its value and the size. Send less, or raise that limit. */
final class TooLargeException extends LinkspanException { protected $code = 114; }

/** 115: bytes that are not a valid message; carries the offset. Correct the program that wrote them. */
final class MalformedException extends LinkspanException { protected $code = 115; }

/**
 * 116: the value has no form in that encoding; carries the path. Use another type, encoding or transport, as the text
 * proposes.
 */
final class UnsupportedException extends LinkspanException { protected $code = 116; }

/** 117: the schemas of the two sides differ; the text has the differences. Give both sides compatible schemas. */
final class SchemaMismatchException extends LinkspanException { protected $code = 117; }

/** 118: the protocol versions do not overlap; the text has both. Update the older program. */
final class VersionMismatchException extends LinkspanException { protected $code = 118; }

/** 119: cancelled by the caller. Call again if the outcome is still needed. */
final class CancelledException extends LinkspanException { protected $code = 119; }

/** 120: a signal arrived and its handler raised. Handle the outcome of the handler, and call again to continue. */
final class InterruptedException extends LinkspanException { protected $code = 120; }

/**
 * 121: the other side is alive but holds a lock or does not answer. Call again; end the other program if it does not
 * recover.
 */
final class StalledException extends LinkspanException { protected $code = 121; }

/** 122: the other side's handler failed; carries its code, type, text, data. Handle it as an error of that program. */
final class RemoteException extends LinkspanException { protected $code = 122; }

/** 123: a number does not fit the type asked for. Ask for a larger type, or give a number within the range. */
final class OutOfRangeException extends LinkspanException { protected $code = 123; }

/** 124: the disk is full. Free space on the disk, and call again. */
final class NoSpaceException extends LinkspanException { protected $code = 124; }

/**
 * 125: a subscriber was overtaken; carries how many were missed. Call again to continue; read faster, or give the
 * publisher a larger buffer.
 */
final class LaggedException extends LinkspanException { protected $code = 125; }

/**
 * 126: a stored file fails its check sum; the text has the file and the place. Restore the file from a copy, or remove
 * it, as the text describes.
 */
final class CorruptException extends LinkspanException { protected $code = 126; }

/** 127: a defect in Linkspan: please report it with the message. */
final class InternalException extends LinkspanException { protected $code = 127; }
