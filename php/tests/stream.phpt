--TEST--
Event loops wait on the streams of objects: stream_select wakes for each kind of object, before and after what it has is taken
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, EmptyException, InvalidStateException, Listener, Publisher, Server};
use function Linkspan\subscribe;

runtime_directory();

/** Returns whether the stream becomes readable within this time. */
function readable($stream, float $seconds): bool
{
    $read = [$stream];
    $write = $except = null;
    return stream_select($read, $write, $except, (int) $seconds, (int) (fmod($seconds, 1) * 1e6)) === 1;
}

function drained(callable $take): array
{
    $taken = [];
    try { while (($message = $take()) !== null) $taken[] = $message; } catch (EmptyException | Linkspan\TimeoutException) {}
    return $taken;
}

foreach (['unix', 'shm'] as $transport) {
    $listener = Listener::listen("$transport:pair");
    $stream = $listener->stream();
    assert(is_resource($stream) && !readable($stream, 0));
    $near = Channel::connect("$transport:pair", timeout: 60);
    assert(readable($stream, 30));
    $far = $listener->accept(30);
    assert(!readable($stream, 0));

    $out = new Publisher("$transport:reading");
    $in = subscribe("$transport:reading", timeout: 60);
    $out->send(0);
    $in->recv();
    $server = Server::serve("$transport:asked");
    $client = Channel::connect("$transport:asked", timeout: 60);

    $kinds = [
        'channel' => [$far, fn ($n) => $near->send($n), fn () => $far->tryRecv()],
        'subscriber' => [$in, fn ($n) => $out->send($n), fn () => $in->tryRecv()],
        'server' => [$server, fn ($n) => $client->send($n), fn () => $server->next(0)],
    ];
    foreach ($kinds as $name => [$object, $send, $take]) {
        $stream = $object->stream();
        // A stream has a separate descriptor: closing a second stream does not affect it.
        $other = $object->stream();
        fclose($other);
        for ($round = 0; $round < 20; $round++) {
            assert(drained($take) === [] && !readable($stream, 0), "$name: nothing was sent");
            $send($round);
            assert(readable($stream, 30), "$name: round $round");
            if ($round % 3 === 0) $send('and');
            $taken = [];
            while (count($taken) < ($round % 3 === 0 ? 2 : 1)) {
                $taken = [...$taken, ...drained($take)];
            }
            assert($taken[0]->value === $round, $name);
        }
        fclose($stream);
        // A call waits after the end of the stream.
        $send('last');
        while (($rest = drained($take)) === []);
        assert($rest[0]->value === 'last');
        echo "$transport $name\n";
    }
    $near->close();
    $far->close();
    try { $far->stream(); } catch (InvalidStateException $e) { echo "closed\n"; }
    unset($listener, $near, $far, $out, $in, $server, $client, $kinds, $object, $send, $take, $rest, $taken);
}
?>
--EXPECT--
unix channel
unix subscriber
unix server
closed
shm channel
shm subscriber
shm server
closed
