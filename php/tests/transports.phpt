--TEST--
One behaviour over every transport: messages, calls, publishing, a table of mixed types, and what is refused with the reason
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Bytes, Channel, Listener, NdArray, Publisher, Server, Timestamp};
use function Linkspan\{latest, subscribe};

scratch_directory();
$rows = [];
for ($i = 0; $i < 1000; $i++) {
    $rows[] = ['id' => $i, 'name' => "row $i é", 'ok' => $i % 3 === 0, 'mean' => $i % 7 === 0 ? null : $i / 8];
}
$columns = [];
foreach (['id', 'name', 'ok', 'mean'] as $name) $columns[$name] = array_column($rows, $name);
$values = [null, true, PHP_INT_MIN, 1.0, "é\n", [], ['a' => [1, ['b' => null]]], $rows, $columns];

/** The two ends in this process. */
function pair(string $endpoint, mixed ...$options): array
{
    $listener = Listener::listen($endpoint, ...$options);
    $near = Channel::connect($endpoint, ...$options);
    return [$near, $listener->accept(), $listener];
}

foreach (['shm', 'unix', 'tcp', 'fifo', 'spool', 'dgram'] as $transport) {
    [$near, $far, $listener] = pair(endpoint($transport), timeout: 60);
    foreach ($values as $value) {
        $near->send($value);
        assert($far->recv()->value === $value);
        if ($transport === 'dgram') continue;
        $far->send($value);
        assert($near->recv()->value === $value);
    }
    $near->send(['wave' => NdArray::fromArray([[1, 2], [3, 4]], 'i16'), 'raw' => new Bytes("\0\xff"), 'at' => new Timestamp(5)]);
    $got = $far->recv();
    assert($got['wave']->toArray() === [[1, 2], [3, 4]] && $got['raw']->data === "\0\xff" && $got['at']->nanoseconds === 5);
    $figures = $far->stats();
    assert($figures['received'] === count($values) + 1 && is_int($figures['consumed']) && is_int($figures['duplicates']));
    echo "$transport: messages\n";
    unset($near, $far, $listener);
}

foreach (['shm', 'unix', 'tcp', 'fifo', 'spool'] as $transport) {
    $endpoint = endpoint($transport, 'lab/calls');
    $peer = new Peer('$server = Linkspan\Server::serve(' . var_export($endpoint, true) . '); echo "serves\n";' . <<<'PHP'
        foreach ($server as $request) {
            if ($request->value === 'break') $request->fail('broken', 'lab.broken');
            elseif ($request->value === 'end') break;
            else $request->reply($request->value);
        }
        PHP);
    $peer->line();
    $near = Channel::connect($endpoint, timeout: 60);
    foreach ($values as $value) assert($near->call($value)->value === $value);
    fails(fn () => $near->call('break'));
    $near->send('end');
    echo "$transport: calls, ", $peer->finish();
    unset($near);
}

foreach (['shm', 'unix', 'tcp', 'file', 'journal'] as $transport) {
    $endpoint = endpoint($transport, 'lab/published');
    $out = new Publisher($endpoint);
    $reader = subscribe($endpoint, timeout: 60);
    foreach ($values as $n => $value) {
        assert($out->send($value) === $n + 1);
        $message = $reader->recv();
        assert($message->value === $value && $message->sequence === $n + 1);
        assert(latest($endpoint, timeout: 60)->value === $value);
    }
    fails(fn () => $reader->tryRecv());
    echo "$transport: published\n";
    unset($out, $reader);
}

fails(fn () => Listener::listen('file:x'), true);
fails(fn () => Server::serve('journal:x'), true);
fails(fn () => new Publisher('fifo:x'), true);
fails(fn () => subscribe('spool:x'), true);
fails(fn () => Channel::connect('shm:x', durable: true), true);
fails(fn () => Listener::listen('tcp://127.0.0.1:1', allow_uids: [0]), true);
fails(fn () => Listener::listen('shm:x', framing: 'lines'), true);
fails(fn () => subscribe('unix:x', from: 'first'), true);
[$near, $far, $listener] = pair('dgram:lab/slot');
fails(fn () => $near->call(1), true);
fails(fn () => $far->send(1));
?>
--EXPECTF--
shm: messages
unix: messages
tcp: messages
fifo: messages
spool: messages
dgram: messages
Remote
shm: calls, exit 0
Remote
unix: calls, exit 0
Remote
tcp: calls, exit 0
Remote
fifo: calls, exit 0
Remote
spool: calls, exit 0
Empty
shm: published
Empty
unix: published
Empty
tcp: published
Empty
file: published
Empty
journal: published
Unsupported: %sa file holds one value%s
Unsupported: %sa journal is written by one publisher%s
Unsupported: %sa named pipe has one reader%s
Unsupported: %seach file of a spool is one message%s
Unsupported: %sdies with its owners%s
Unsupported: %sTCP does not say which user%s
Unsupported: %sholds frames, not text%s
Unsupported: %sthe option from%s
Unsupported: %sa mailslot goes one way%s
Unsupported
