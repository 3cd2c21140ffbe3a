--TEST--
Several messages a call: sent in order; an error has the number of messages sent before it
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, LinkspanException, Listener, Publisher, TimeoutException};
use function Linkspan\subscribe;

runtime_directory();
foreach (['unix:lab/batch', 'shm:lab/batch'] as $endpoint) {
    echo "$endpoint\n";
    $listener = Listener::listen($endpoint);
    $a = Channel::connect($endpoint, timeout: 10, replay_count: 20);
    $b = $listener->accept(10);
    assert($a->sendMany(range(0, 19)) === 20);
    try {
        $a->sendMany([1, 2], 0.01);
    } catch (TimeoutException $late) {
        echo 'late: ', $late->getSent(), "\n";
    }
    $got = [];
    while (count($got) < 20) {
        $some = $b->recvMany(7, 10);
        assert(count($some) >= 1 && count($some) <= 7);
        foreach ($some as $message) $got[] = $message->value;
    }
    assert($got === range(0, 19));
    try {
        $a->sendMany(['x', fopen('php://memory', 'r'), 'y']);
    } catch (LinkspanException $refused) {
        echo $refused->getKind(), ': ', $refused->getSent(), "\n";
    }
    echo $b->recv(5)->value, "\n";
    foreach ([fn () => $b->recvMany(0), fn () => $b->recvMany(-1), fn () => $b->recvMany(timeout: 0.0)] as $call) {
        try { $call(); } catch (LinkspanException $e) { echo $e->getKind(), ' ', var_export($e->getSent(), true), "\n"; }
    }
    $listener->close();
    $a->close(0.1); $b->close(0.1);
    $out = new Publisher("$endpoint/values", buffer: 16 << 20);
    $in = subscribe("$endpoint/values", timeout: 5);
    assert($out->sendMany(['a', 'b', 'c']) === 3);
    $heard = '';
    while (strlen($heard) < 3) foreach ($in->recvMany() as $message) $heard .= $message->value;
    echo "$heard\n";
    // Near memory_limit no exception loses a message: the call takes fewer, or none.
    $sent = $taken = 0;
    foreach ([0, 64 << 10, 1 << 20, 3 << 20, 12 << 20] as $room) {
        $sent += $out->sendMany(range($sent + 1, $sent + 20000));
        gc_mem_caches();
        ini_set('memory_limit', (string) (memory_get_usage(true) + $room));
        try {
            foreach ($in->recvMany(20000, 10) as $message) if ($message->value !== ++$taken) echo "lost before {$message->value}\n";
        } catch (Linkspan\OutOfMemoryException) {}
        ini_set('memory_limit', '-1');
        unset($message);
        while ($taken < $sent) foreach ($in->recvMany(20000, 10) as $message) if ($message->value !== ++$taken) echo "lost before {$message->value}\n";
    }
    echo $taken === $sent ? "all\n" : "$taken of $sent\n";
    $in->close(); $out->close();
}
?>
--EXPECT--
unix:lab/batch
late: 0
Unsupported: 1
x
OutOfRange NULL
OutOfRange NULL
Timeout NULL
abc
all
shm:lab/batch
late: 0
Unsupported: 1
x
OutOfRange NULL
OutOfRange NULL
Timeout NULL
abc
all
