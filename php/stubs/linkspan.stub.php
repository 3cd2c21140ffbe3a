<?php

/**
 * The interface of the extension `linkspan`, for editors and analysers.
 *
 * Written by hand; tests/stubs.phpt compares it with the extension's reflection.
 *
 * Options are named arguments: `Channel::connect('lab/fft', timeout: 2.0)`. docs/options.md explains them. An option
 * that a transport lacks raises UnsupportedException.
 *
 * - encoding; client_id: a name that survives restarts
 * - timeout: in seconds, INF for ever
 * - buffer, max_message_size: in bytes
 * - delivery: 'latest', 'best_effort', 'at_least_once' or 'durable'
 * - ack: 'auto' or 'manual'; idempotent: requests may be carried out twice
 * - replay_count, replay_bytes: the most unacknowledged messages and bytes kept for replay
 * - absent_clients: the most absent clients for which a listener keeps messages
 * - framing: 'linkspan', 'lines' or 'raw'
 * - durable: a send returns only after the message is on disk
 * - mode, group, allow_uids, allow_gids: the access; spin: µs to poll before parking
 * - linger: seconds that an unclosed channel waits at its end until the peer has consumed all messages
 * - on_unconsumed: a callable that gets the number of unconsumed messages from the channel's destructor; not after a
 *   fatal error or in a forked child
 * - on_wait: a callable that runs about every 100 ms of a wait; false ends the wait with CancelledException
 * - of a journal: from (a number, a Timestamp, 'first' or 'newest'), segment_bytes, retain_bytes, retain_seconds,
 *   retain_consumed
 * - of a file: locked, written in place under an fcntl lock
 * - of a server: shared, several processes, each with this option, may serve the endpoint
 * - of a publisher: replace, takes over the endpoint from another publisher of this process
 * - view_bytes: long byte strings of received messages stay in the sender's memory; each reading copies them
 * - schema: of the messages, as the path of a file or as text; reply_schema: of the replies
 * - validate: the values to check against the schemas: 'send', 'receive' or 'both'
 *
 * Time-outs are seconds: INF waits for ever, 0 never waits. The default, also for null, is the option `timeout`, else
 * the ini entry `linkspan.timeout` (30 s). Loops wait for ever: `next` of a server and of a subscriber, foreach and
 * `run`. On the command line the first SIGINT or SIGTERM ends such a loop, and the second the script, unless the script
 * handles or ignores the signal.
 *
 * An object carries out one call at a time. Callbacks of on_wait and signal handlers must not make a call of the same
 * kind on the same object: InvalidStateException.
 *
 * An endpoint is a name such as `lab/temperature`, over shared memory, or `transport:name`: shm:, unix:, fifo:, spool:,
 * dgram:, file:, journal:, tcp://host:port.
 *
 * Values: null, bool, int, float, string (UTF-8), arrays (a list if the keys are 0 to n-1, else a map), stdClass
 * (always a map), Bytes, NdArray, Timestamp and \DateTimeInterface, BigInt, Decimal, Uuid, cases of backed enums. A
 * received map is an array. An empty map, or a map with the keys 0 to n-1, is a stdClass: an array would be a list.
 */

namespace Linkspan;

/**
 * Encodes a value; `encode($value, 'json')`.
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
 * Decodes for `decode` of generated classes; null if the message does not fit.
 * @internal
 * @template T of object
 * @param class-string<T> $class
 * @param Message|Request $message
 * @return T|null
 * @throws LinkspanException
 */
function decode_instance(string $class, mixed $message): mixed {}

/**
 * Packs for `pack` of generated classes; null if the record does not fit.
 * @internal
 * @throws LinkspanException
 */
function pack_instance(object $record): ?string {}

/**
 * Unpacks for `unpack` of generated classes; null if the bytes do not fit.
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

/** Connects if a program listens at the endpoint; otherwise listens. @throws LinkspanException */
function open(string $endpoint, mixed ...$options): Channel {}

/** Connects to the program that listens or serves at the endpoint; waits for one. @throws LinkspanException */
function connect(string $endpoint, mixed ...$options): Channel {}

/** Listens at the endpoint. @throws LinkspanException */
function listen(string $endpoint, mixed ...$options): Listener {}

/** Serves requests at the endpoint. @throws LinkspanException */
function serve(string $endpoint, mixed ...$options): Server {}

/** Publishes at the endpoint. @throws LinkspanException */
function publisher(string $endpoint, mixed ...$options): Publisher {}

/**
 * Subscribes without waiting for the publisher. Late subscribers first receive the latest value.
 *
 * With a pattern (`lab/*`), or a list of names and patterns, endpoints that appear later join, and each message has its
 * name.
 * @param string|list<string> $endpoint
 */
function subscribe(mixed $endpoint, mixed ...$options): Subscriber {}

/**
 * Returns the newest value of a publisher at once; with the option timeout it waits for one.
 * @throws EmptyException if nothing was published, NotFoundException if no program publishes
 */
function latest(string $endpoint, mixed ...$options): Message {}

/**
 * Returns the open endpoints of this machine, as `linkspan ls` lists them.
 *
 * Each is a map with `endpoint`, `pattern`, `pid`, `program`, `messages` and others. `problem` has the reason for
 * unknown values, which are null.
 * @return list<array<string, mixed>>
 */
function names(): array {}

/**
 * Returns the schema of the program that listens at the endpoint, or of its spool or journal.
 *
 * `Linkspan\schema('lab/power')['type']['fields']` are the fields, in the canonical form of docs/schema.md. Waits at
 * most 3 s. With a message of that endpoint, returns the schema of that message.
 * @throws NotFoundException if no program listens, MissingException if no schema was given
 */
function schema(string $endpoint, ?Message $message = null): mixed {}

/**
 * Returns the schema of the replies; otherwise like schema().
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
    /** It opens its resources. */
    case Starting = 'STARTING';
    /** It is set up and waits for RUN. */
    case Ready = 'READY';
    /** It does its work, step by step. */
    case Running = 'RUNNING';
    /** It finishes its step, checkpoints and closes. */
    case Pausing = 'PAUSING';
    /** It has checkpointed and closed, and waits for RUN. */
    case Paused = 'PAUSED';
    /** It checkpoints, without steps. */
    case Checkpointing = 'CHECKPOINTING';
    /** It finishes its step, checkpoints, closes and disconnects. */
    case Stopping = 'STOPPING';
    /** It has ended normally. */
    case Stopped = 'STOPPED';
    /** It cannot continue. */
    case Failed = 'FAILED';
}

/** How current the controller's record of a service is. */
enum View: string
{
    /** A heartbeat arrived in time. */
    case Connected = 'CONNECTED';
    /** Connected, but no heartbeat arrived in time. */
    case Stale = 'STALE';
    /** It may reconnect. */
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
    /** Return the description and the accepted commands. */
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

/** Bytes other than text; base64 in JSON. */
final class Bytes implements \Countable, \JsonSerializable, \Stringable
{
    public readonly string $data;
    public function __construct(string $data) {}
    public static function __set_state(array $properties): Bytes {}
    public function count(): int {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/**
 * Memory that a channel, a publisher or a request lends for opaque bytes.
 *
 * The program copies strings into it piece by piece. In a value it stands for its bytes. After it was encoded, it
 * refuses writes.
 */
final class BytesLoan implements \Countable, \JsonSerializable
{
    private function __construct() {}
    /** Copies a string into it. @throws OutOfRangeException if the loan has too few bytes */
    public function write(string $bytes, int $offset = 0): void {}
    /** Shortens it to its first $length bytes. */
    public function truncate(int $length): void {}
    public function count(): int {}
    public function jsonSerialize(): mixed {}
}

/** An instant: nanoseconds since 1970 in UTC, shown as RFC 3339. */
final class Timestamp implements \JsonSerializable, \Stringable
{
    public readonly int $nanoseconds;
    public readonly float $seconds;
    public function __construct(int $nanoseconds) {}
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

/** An integer beyond int, as decimal text. */
final class BigInt implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    public static function __set_state(array $properties): BigInt {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/** An exact decimal number; 1.10 stays 1.10. */
final class Decimal implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    public static function __set_state(array $properties): Decimal {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

final class Uuid implements \JsonSerializable, \Stringable
{
    public readonly string $text;
    public function __construct(string $text) {}
    public static function __set_state(array $properties): Uuid {}
    public static function fromBytes(string $bytes): Uuid {}
    public function toBytes(): string {}
    public function __toString(): string {}
    public function jsonSerialize(): mixed {}
}

/**
 * The iterator of foreach over a server, a subscriber, a watch or an array.
 *
 * It ends at close, and over a server or a subscriber also at a stop signal.
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
 * An N-d array of numbers: element type, shape, order (row or column).
 *
 * The types are bool, i8 to u64, f32, f64, c64, c128. One little-endian string has the elements. `$a[1]` is a number of
 * a vector, or a sub-array; `$a[[1, 2]]` indexes two dimensions. A complex number is a list of its two parts.
 */
final class NdArray implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable
{
    public readonly string $dtype;
    /** @var list<int> */
    public readonly array $shape;
    public readonly string $order;
    public readonly string $data;
    public function __construct(string $dtype, array $shape, string $data, string $order = 'row') {}
    public static function __set_state(array $properties): NdArray {}
    /** Creates an array from nested lists, row by row. */
    public static function fromArray(array $items, string $dtype = 'f64'): NdArray {}
    /** Returns nested lists; a number for an array without dimensions. */
    public function toArray(): mixed {}
    /** The numbers of a vector, or sub-arrays. @throws WrongTypeException for an array without dimensions */
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
 * In a key of a path, ~1 stands for / and ~0 for ~.
 */
final class Message implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable, \Stringable
{
    public readonly mixed $value;
    /** The number of the message in the sender's session, from 1. */
    public readonly int $sequence;
    /** The time of sending, by the sender's clock. */
    public readonly Timestamp $sent;
    /** The sender's client_id, else the program's name and process number. */
    public readonly string $source;
    /** The endpoint of the message, if the subscriber has a pattern. */
    public readonly ?string $name;
    public readonly Encoding $encoding;
    /** The number of messages missed directly before this one. */
    public readonly int $missed;
    private function __construct() {}
    /** @throws MissingException|WrongTypeException */
    public function get(string $path): mixed {}
    /**
     * The number of entries or items, or the length of the first dimension.
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
     * @throws SchemaMismatchException if the sender gave another, uncompared schema
     */
    public function checkFingerprint(string $fingerprint): void {}
    /** Whether the sender waits for a reply. */
    public function wantsReply(): bool {}
    public function jsonSerialize(): mixed {}
    /** JSON for people; null for NAN, INF and bytes other than text. */
    public function __toString(): string {}
}

/**
 * A message that waits for its one reply.
 *
 * If it is freed without a reply, the caller gets RemoteException.
 */
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
    /** @throws WrongTypeException like Message::count */
    public function count(): int {}
    /** @throws WrongTypeException like Message::getIterator */
    public function getIterator(): \ArrayIterator {}
    public function offsetExists(mixed $offset): bool {}
    public function offsetGet(mixed $offset): mixed {}
    public function offsetSet(mixed $offset, mixed $value): void {}
    public function offsetUnset(mixed $offset): void {}
    /** @throws SchemaMismatchException like Message::checkFingerprint */
    public function checkFingerprint(string $fingerprint): void {}
    public function wantsReply(): bool {}
    public function jsonSerialize(): mixed {}
    /** JSON for people, like Message. */
    public function __toString(): string {}
    public function reply(mixed $value): void {}
    /** Lends memory for bytes of the reply, like Channel::loanBytes. */
    public function loanBytes(int $length): BytesLoan {}
    /** Acknowledges it and all earlier messages of its sender, with ack: 'manual'. A reply does it also. */
    public function ack(): void {}
    /** Answers with an error: text for people, a dotted type and a code for the program, and optional data. */
    public function fail(string $text, string $type = '', int $code = -32603, mixed $data = null): void {}
}

/**
 * An event of an object.
 *
 * Its kind is 'connected', 'disconnected', 'reconnected', 'lagged', 'forgotten', 'schema_mismatch' or 'unseen'.
 */
final class Event
{
    public readonly string $kind;
    public readonly Timestamp $at;
    public readonly int $missed;
    public readonly string $text;
    private function __construct() {}
}

/** A request from Channel::startCall, for finishCall. Freeing it withdraws the request. */
final class PendingReply
{
    private function __construct() {}
}

/** A channel: two ends, messages in both directions, requests and replies. */
final class Channel
{
    private function __construct() {}
    /** Waits until a program listens, and reconnects when the peer restarts. */
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
     * getSent() of an exception is the number of messages that were sent before it.
     * @param array<mixed> $values
     */
    public function sendMany(array $values, ?float $timeout = null): int {}
    /** @throws FullException if no space is free or no program is connected */
    public function trySend(mixed $value): int {}
    /**
     * Lends memory for $length opaque bytes, such as a camera frame.
     *
     * Over `shm:`, with the encodings cbor and raw, the bytes are sent once from this memory without a copy, with at
     * most 4 KiB of other values. Elsewhere it is ordinary memory.
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
     * Replies arrive in any order. The channel keeps the replies to the newest 1,024 unfinished requests.
     */
    public function startCall(mixed $value, ?float $timeout = null): PendingReply {}
    /**
     * Returns the reply to a request from startCall.
     *
     * With a timeout of 0 it throws TimeoutException until the reply has arrived. A longer timeout gives the request
     * up.
     * @throws RemoteException|DisconnectedException|TimeoutException
     */
    public function finishCall(PendingReply $pending, ?float $timeout = null): Message {}
    /** Replies to a message from recv that wants a reply. */
    public function reply(Message $request, mixed $value, ?float $timeout = null): void {}
    /** Acknowledges all received messages, with ack: 'manual'. */
    public function ack(): void {}
    /** Returns whether a message can be received at once. */
    public function poll(): bool {}
    public function writable(): bool {}
    /** @return list<Event> the events since the last call */
    public function events(): array {}
    /** 'listener' or 'connector'. */
    public function role(): string {}
    public function endpoint(): string {}
    /** Readable while tryRecv would return at once. */
    public function fileno(): int {}
    /**
     * Returns a stream for stream_select, readable while the object has a message or an event.
     *
     * It has a separate descriptor. Receive until EmptyException before the next wait. Only for command-line programs.
     * @return resource
     */
    public function stream(): mixed {}
    /** Returns counters. @return array<string, mixed> */
    public function stats(): array {}
    /**
     * Waits until the peer has consumed all sent messages.
     *
     * getMissed() of its exception is the number of unconsumed messages. InvalidStateException if on_wait closes the
     * channel.
     */
    public function flush(?float $timeout = null): void {}
    /** Waits until the peer has consumed all sent messages, then closes. */
    public function close(?float $timeout = null): void {}
    /** Calls on_unconsumed, unless the channel was closed; its exception leaves the destructor. */
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
    /** Waits for ever by default; null after close, or at SIGINT or SIGTERM. */
    public function next(?float $timeout = INF): ?Request {}
    /**
     * Replies to each request with the result of the handler.
     *
     * An exception of the handler is answered with its class and text and shown as a warning.
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
    /** Returns the size in an array, like C's sizeof. */
    public static function sizeof(string $layout): int {}
    public function source(): string {}
    /** The current length in bytes. */
    public function count(): int {}
    /** @throws OutOfRangeException if the region has fewer bytes */
    public function bytes(int $offset, int $length): string {}
    /** The text at an offset, up to the first NUL or the end. */
    public function text(int $offset = 0): string {}
    /**
     * Returns the fields of a struct such as `f64 celsius; u32 count; char name[16]; i16 raw[8] @64`.
     *
     * Numbers with dimensions are NdArrays. `counter` names a field that the owner makes odd during a write: then all
     * fields come from one write.
     * @return array<string, mixed>
     */
    public function read(string $layout, int $offset = 0, ?string $counter = null): array {}
    public function close(): void {}
}

/**
 * Publishes to any number of subscribers and never waits for a slow one.
 *
 * A send to a `journal:` returns after the value is on disk. A `file:` waits for its lock.
 */
final class Publisher
{
    public function __construct(string $endpoint, mixed ...$options) {}
    /** Returns the sequence number. */
    public function send(mixed $value): int {}
    /**
     * Publishes each value as a separate message; returns their number, like Channel::sendMany.
     * @param array<mixed> $values
     */
    public function sendMany(array $values): int {}
    /** Lends memory for bytes to publish, like Channel::loanBytes. */
    public function loanBytes(int $length): BytesLoan {}
    /** Returns the current number. */
    public function subscribers(): int {}
    public function endpoint(): string {}
    public function events(): array {}
    public function stats(): array {}
    /**
     * Waits until this many subscribers are connected.
     *
     * TimeoutException if fewer connected. InvalidStateException if on_wait closes the publisher.
     */
    public function waitForSubscribers(int $count, ?float $timeout = null): void {}
    /**
     * Waits until every connected subscriber has been given all messages.
     *
     * getMissed() of its exception is the number of messages left for the slowest subscriber. InvalidStateException,
     * with the same number, if on_wait closes the publisher.
     */
    public function flush(?float $timeout = null): void {}
    /** Closes after slow subscribers have received their pending messages. */
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
    /** Receives several messages, like Channel::recvMany. @return list<Message> */
    public function recvMany(int $max = 64, ?float $timeout = null): array {}
    public function tryRecv(): Message {}
    /** Waits for ever by default; null after close, or at SIGINT or SIGTERM. */
    public function next(?float $timeout = INF): ?Message {}
    /** @return Iteration<int, Message> */
    public function getIterator(): Iteration {}
    /** Acknowledges the last message and all before it, with ack: 'manual'. */
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
 * `(new Linkspan\Controller)->service('power')->pause()`. Its connection outlives the request and serves the next one
 * of this FPM worker. After a restart of the controller, the next call connects again.
 */
final class Controller
{
    /**
     * Waits until the controller listens: at LINKSPAN_CONTROLLER, else `unix:controller` by default.
     * @throws NotFoundException|TimeoutException|PermissionDeniedException
     */
    public function __construct(?string $endpoint = null, mixed ...$options) {}
    /**
     * Returns the controller's record of each service.
     *
     * - name, view (a View's value), state (a State's value), since, busy (seconds of the current work), doing, steps
     * - reason (a problem that the service reports), problem (a problem that the controller detects)
     * - epoch, pid, program, description, commands, every, source, first_seen, last_seen, connections
     * - answered (accepted, done, failed, rejected), open (commands under way), allowed (commands)
     * @return list<array<string, mixed>>
     */
    public function services(?float $timeout = null): array {}
    /** Each call looks the name up. */
    public function service(string $name): ServiceHandle {}
    /**
     * Returns the last lines of the controller's event log.
     * @return list<array{at: Timestamp, service: string, level: string, text: string}>
     */
    public function log(int $lines = 100, ?float $timeout = null): array {}
    /**
     * Watches all services, or the named ones, over a separate connection.
     *
     * data_every is the interval in seconds at which it also reads their data. timeout is that of next, null for ever.
     * @param ?list<string> $services
     */
    public function watch(?array $services = null, ?float $data_every = null, ?float $timeout = INF): Watch {}
    /** Forgets a service that is disconnected. @throws InvalidStateException if it is connected */
    public function forget(string $service, ?float $timeout = null): void {}
    /** @return array<string, mixed> the controller's counters */
    public function stats(?float $timeout = null): array {}
    public function endpoint(): string {}
    /** Services still carry out commands under way. */
    public function close(): void {}
}

/**
 * One service of a controller.
 *
 * A command waits until the service has done it, and returns its result. With wait: false it returns an Answer when the
 * service accepts it. timeout is the deadline of the command: the controller withdraws a command that has not begun by
 * then.
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
    /** Returns its record, as in Controller::services. @return array<string, mixed> */
    public function status(?float $timeout = null): array {}
    /** Returns its current data. */
    public function getData(?float $timeout = null, bool $wait = true): mixed {}
    /** Finishes its step, checkpoints, closes its files, and waits. */
    public function pause(?float $timeout = null, bool $wait = true): mixed {}
    /** Opens its files again and continues. */
    public function run(?float $timeout = null, bool $wait = true): mixed {}
    /** Checkpoints between two steps and continues. */
    public function checkpoint(?float $timeout = null, bool $wait = true): mixed {}
    /** Checkpoints, closes and ends. A second call cancels the work in progress. */
    public function shutdown(?float $timeout = null, bool $wait = true): mixed {}
    /** Gets its settings; with an argument, changes them first. */
    public function config(mixed $settings = null, ?float $timeout = null, bool $wait = true): mixed {}
    /** Writes a backup copy of its data to this path on its machine. */
    public function backup(string $path, ?float $timeout = null, bool $wait = true): mixed {}
    /** Withdraws or cancels the command with this id; without an id, the work in progress. */
    public function cancel(?string $id = null, ?float $timeout = null, bool $wait = true): mixed {}
    public function describe(?float $timeout = null, bool $wait = true): mixed {}
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
     * The service carries an id out once and repeats its answer for ten minutes. The token of a form is such an id.
     * epoch is the incarnation of the service, as in status(); another incarnation refuses the command.
     * @param Command|string $command
     * @param int|BigInt|null $epoch
     */
    public function order(string $id, mixed $command, mixed $arguments = null, mixed $epoch = null, ?float $timeout = null): Answer {}
    public function forget(?float $timeout = null): void {}
    /** Returns the final answer to the command with this id, or Accepted while it is under way. */
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
 * value), 'log' (entry), 'missed' (count: events dropped because the program was too slow).
 */
final class Watch implements \IteratorAggregate
{
    private function __construct() {}
    /**
     * The default time-out is that of watch().
     * @return array<string, mixed>
     * @throws TimeoutException if none occurs in time
     */
    public function next(?float $timeout = null): array {}
    /** @return Iteration<int, array<string, mixed>> */
    public function getIterator(): Iteration {}
    /** Readable while next may return at once. */
    public function fileno(): int {}
    /**
     * Returns a stream, like Channel::stream; call next(0) until TimeoutException before the next wait.
     * @return resource
     */
    public function stream(): mixed {}
    public function close(): void {}
}

/**
 * An error as an HTTP response by RFC 9457.
 *
 * `application/problem+json` with type, title, status, detail, code, kind, and answer if a service refused a command or
 * failed.
 */
final class Problem
{
    /** 400 to 599. */
    public readonly int $status;
    /** The name of the kind: `Timeout`. */
    public readonly string $kind;
    /** The text of the error. */
    public readonly string $detail;
    /** The headers by their names in lower case. @var array<string, string> */
    public readonly array $headers;
    /** The body, in JSON. */
    public readonly string $body;
    private function __construct() {}
    /** The problem of an error, with the status of its kind. @param LinkspanException $error */
    public static function of(object $error): Problem {}
    /** The problem of a Failed or Rejected answer; null for Done and Accepted. */
    public static function ofAnswer(Answer $answer): ?Problem {}
    /** 503 for a controller that cannot be reached, for any error. @param LinkspanException $error */
    public static function unreachable(object $error): Problem {}
    /** 405 for an address that accepts only the method $allow. */
    public static function method(string $allow): Problem {}
    /** @throws OutOfRangeException for a status below 400 or above 599, or an unknown kind */
    public static function create(int $status, string $kind, string $detail): Problem {}
}

/**
 * The rules of the controller's page, as in `linkspan controller --http`.
 *
 * $server is $_SERVER. examples/controller-page is a complete page.
 */
final class ControllerPage
{
    /** The longest body of a request, in bytes. */
    public const MAX_BODY = 65536;
    /** The lines of the log in the first event of a stream. */
    public const SNAPSHOT_LOG_LINES = 300;
    /**
     * @param string $token_file a file of mode 0600 with the token, 64 hexadecimal digits, or with the page's address
     *   with the token
     * @param list<string>|null $hosts authorities besides loopback under which browsers reach the page, such as
     *   `lab.example`; with one, requests come also from other machines
     */
    public function __construct(string $token_file, ?array $hosts = null) {}
    /**
     * Refuses a request for another name than the page's (DNS rebinding), or from another site's page.
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
     * @param array<string, mixed> $server
     * @return array{id: string, command: string, arguments: mixed, within: float, wait: bool}|Problem
     */
    public static function decodeCommand(array $server, string $body): mixed {}
    /** The number of lines that a query asks for; 200 for null. @return int|Problem */
    public static function logLines(mixed $parameter = null): mixed {}
    /** 202 for an answer that is Accepted, otherwise 200; for Failed and Rejected see Problem::ofAnswer. */
    public static function answerStatus(Answer $answer): int {}
    /**
     * Converts an event of Watch for a page's stream; null if pages do not show it.
     *
     * The size replaces long data.
     * @param array<string, mixed> $event
     * @return array{name: string, json: string}|null
     */
    public static function event(mixed $event): ?array {}
}

/** The base of all errors; getCode() is the number of its kind, and the text says what to do. */
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
    /** The name of the kind: `Timeout`. */
    final public function getKind(): string {}
    /** Whether an equal call can succeed later without a change to the program. */
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
    /** The dotted type, or the class of the exception. */
    final public function getRemoteType(): ?string {}
    final public function getRemoteText(): ?string {}
    final public function getData(): mixed {}
}

/** 100: this system does not support that transport. */
final class TransportUnavailableException extends LinkspanException { protected $code = 100; }

/**
 * 102: the connection ended; the side that connected reconnects.
 *
 * A pending request may have been carried out.
 */
final class DisconnectedException extends LinkspanException { protected $code = 102; }

/** 103: no program listens at that name. */
final class NotFoundException extends LinkspanException { protected $code = 103; }

/** 104: no value at that path; the text names the existing keys. */
final class MissingException extends LinkspanException { protected $code = 104; }

/** 105: another program listens at that name. */
final class AddressInUseException extends LinkspanException { protected $code = 105; }

/** 106: the object does not allow this call now (closed, wrong pattern, other side of a fork). */
final class InvalidStateException extends LinkspanException { protected $code = 106; }

/** 107: the name or port is malformed. */
final class InvalidEndpointException extends LinkspanException { protected $code = 107; }

/** 108: memory, descriptors or space in the memory file ran out. */
final class OutOfMemoryException extends LinkspanException { protected $code = 108; }

/** 109: a value of another type was found; the text has both types. */
final class WrongTypeException extends LinkspanException { protected $code = 109; }

/** 110: the deadline passed; nothing was lost. */
final class TimeoutException extends LinkspanException { protected $code = 110; }

/** 111: the queue is full and the call does not wait. */
final class FullException extends LinkspanException { protected $code = 111; }

/** 112: no message is available and the call does not wait. */
final class EmptyException extends LinkspanException { protected $code = 112; }

/** 113: the mode, the owner or the peer's credentials forbid it. */
final class PermissionDeniedException extends LinkspanException { protected $code = 113; }

/** 114: over a limit; the text has the limit, its value and the size. */
final class TooLargeException extends LinkspanException { protected $code = 114; }

/** 115: bytes that are not a valid message; carries the offset. */
final class MalformedException extends LinkspanException { protected $code = 115; }

/** 116: the value has no form in that encoding; carries the path. */
final class UnsupportedException extends LinkspanException { protected $code = 116; }

/** 117: the schemas of the two sides differ; the text has the differences. */
final class SchemaMismatchException extends LinkspanException { protected $code = 117; }

/** 118: the protocol versions do not overlap; the text has both. */
final class VersionMismatchException extends LinkspanException { protected $code = 118; }

/** 119: cancelled by the caller. */
final class CancelledException extends LinkspanException { protected $code = 119; }

/** 120: a signal arrived and its handler raised. */
final class InterruptedException extends LinkspanException { protected $code = 120; }

/** 121: the other side is alive but holds a lock or does not answer. */
final class StalledException extends LinkspanException { protected $code = 121; }

/** 122: the other side's handler failed; carries its code, type, text, data. */
final class RemoteException extends LinkspanException { protected $code = 122; }

/** 123: a number does not fit the requested type. */
final class OutOfRangeException extends LinkspanException { protected $code = 123; }

/** 124: the disk is full. */
final class NoSpaceException extends LinkspanException { protected $code = 124; }

/** 125: a subscriber missed messages, or its sender lacks them; carries their number. Call again to continue. */
final class LaggedException extends LinkspanException { protected $code = 125; }

/** 126: a stored file fails its check sum; the text has the file and the place. */
final class CorruptException extends LinkspanException { protected $code = 126; }

/** 127: a defect in Linkspan: please report it with the message. */
final class InternalException extends LinkspanException { protected $code = 127; }
