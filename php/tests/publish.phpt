--TEST--
Publish and subscribe: late subscribers get the latest value, overtaken ones the number of missed messages, latest() does not wait
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{LaggedException, NdArray, Publisher, Subscriber, TimeoutException};
use function Linkspan\{latest, subscribe};

runtime_directory();
foreach (['unix:lab/temperature', 'shm:lab/temperature'] as $endpoint) {
    echo "$endpoint\n";
    fails(fn () => latest($endpoint));
    fails(fn () => latest($endpoint, timeout: 0.02));
    $early = subscribe($endpoint);
    assert($early instanceof Subscriber && !$early->poll());
    fails(fn () => $early->tryRecv());
    fails(fn () => $early->recv(0.01));
    $out = new Publisher($endpoint);
    fails(fn () => latest($endpoint));
    fails(fn () => new Publisher($endpoint));
    for ($i = 1; $i <= 3; $i++) assert($out->send(['celsius' => 20.5 + $i, 'wave' => NdArray::fromArray([1, $i])]) === $i);
    $late = subscribe($endpoint, timeout: 5);
    echo $late->recv()['celsius'], "\n";
    fails(fn () => $late->tryRecv());
    $all = subscribe(dirname($endpoint) . '/*', timeout: 5);
    assert($all->recv()->name === $endpoint && latest($endpoint)->name === null);
    $all->close();
    $now = latest($endpoint);
    echo $now['celsius'], ' ', $now['wave'][1], ' ', $now->sequence, ' ', json_encode($now), "\n";
    assert(latest($endpoint)->sequence === 3 && $out->endpoint() === $endpoint && is_int($late->fileno()));
    $out->send('next');
    echo latest($endpoint)->value, ' ', $late->recv()->value, "\n";
    // The body ends the loop; keys count, and a value of null is a value.
    foreach ([null, 'two', 'three'] as $value) $out->send($value);
    foreach ($late as $number => $message) {
        echo $number, ' ', json_encode($message), "\n";
        if ($message->value === 'three') break;
    }
    // A subscriber that never reads is overtaken, gets one error, and continues with the remaining messages.
    $slow = subscribe($endpoint, timeout: 5);
    $slow->recv();
    $block = str_repeat('x', 100_000);
    for ($i = 1; $i <= 40; $i++) $out->send([$i, $block]);
    $got = 0;
    $message = null;
    $missed = 0;
    do {
        try {
            $message = $slow->recv();
            $got++;
        } catch (LaggedException $e) {
            $missed += $e->getMissed();
        }
    } while (($message[0] ?? 0) !== 40);
    echo $missed > 0 && $got + $missed === 40 ? "counted all missed messages\n" : "got $got, missed $missed\n";
    // A stop signal ends a loop in another process; the code after it runs.
    $peer = new Peer('$messages = Linkspan\subscribe(' . var_export($endpoint, true) . ', client_id: "peer");' . <<<'PHP'
        foreach ($messages as $message) {
            echo "got ", json_encode($message[0] ?? $message), "\n";
        }
        echo "after the loop\n";
        PHP);
    echo $peer->line(), "\n";
    assert($out->subscribers() >= 3 && $out->stats()['subscribers'] === $out->subscribers());
    $out->send(['again']);
    echo $peer->line(), "\n";
    posix_kill($peer->pid(), SIGTERM);
    echo $peer->finish();
    // Closing frees the name; a subscriber waits for the next publisher.
    $late->close();
    assert($late->next() === null);
    fails(fn () => $late->recv());
    // Some subscribers have stopped reading: close waits for its time-out, and still closes the publisher.
    try {
        $out->close(0.1);
    } catch (TimeoutException) {
    }
    fails(fn () => $out->send(1));
    fails(fn () => latest($endpoint));
    $out = new Publisher($endpoint);
    $out->send('from the second');
    echo latest($endpoint, timeout: 5)->value, "\n";
    do { $message = $slow->recv(); } while ($message->value !== 'from the second');
    echo implode(' ', array_map(fn ($event) => $event->kind, $slow->events())), "\n";
    unset($out, $slow, $late, $early);
}
?>
--EXPECT--
unix:lab/temperature
NotFound
NotFound
Empty
NotFound
Empty
AddressInUse
23.5
Empty
23.5 3 3 {"celsius":23.5,"wave":[1,3]}
next next
0 null
1 "two"
2 "three"
counted all missed messages
got 40
got "again"
after the loop
exit 0
InvalidState
InvalidState
NotFound
from the second
connected lagged disconnected reconnected
shm:lab/temperature
NotFound
NotFound
Empty
NotFound
Empty
AddressInUse
23.5
Empty
23.5 3 3 {"celsius":23.5,"wave":[1,3]}
next next
0 null
1 "two"
2 "three"
counted all missed messages
got 40
got "again"
after the loop
exit 0
InvalidState
InvalidState
NotFound
from the second
connected lagged disconnected reconnected
