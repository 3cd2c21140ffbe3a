--TEST--
A listener that is killed loses no message, on every transport; messages that were not acknowledged are sent again
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\Channel;

scratch_directory();
const TAKES = <<<'PHP'
    $listener = Linkspan\Listener::listen($endpoint, timeout: 60, ack: $ack);
    echo "listens\n";
    $channel = $listener->accept();
    while (($line = fgets(STDIN)) !== false) {
        if ($line === "recv\n") echo $channel->recv()->value, "\n";
        else { $channel->ack(); echo "acknowledged\n"; }
    }
    PHP;

function taker(string $endpoint, string $ack): Peer
{
    $peer = new Peer('$endpoint = ' . var_export($endpoint, true) . "; \$ack = '$ack';" . TAKES);
    assert($peer->line() === 'listens');
    return $peer;
}

/** Returns the peer's answer. Meanwhile this end checks at intervals: only then does it connect again. */
function ask(Peer $peer, string $what, Channel $near): string
{
    $peer->tell($what);
    while (!$peer->hasLine()) $near->poll();
    return $peer->line();
}

foreach (['shm', 'unix', 'tcp', 'fifo', 'spool'] as $transport) {
    foreach (['auto', 'manual'] as $ack) {
        $endpoint = endpoint($transport, "lab/$ack");
        $one = taker($endpoint, $ack);
        $near = Channel::connect($endpoint, timeout: 60);
        for ($n = 0; $n < 8; $n++) $near->send($n);
        $seen = [];
        for ($i = 0; $i < 3; $i++) $seen[] = ask($one, 'recv', $near);
        if ($ack === 'manual') {
            assert(ask($one, 'ack', $near) === 'acknowledged');
            $seen[] = ask($one, 'recv', $near);
        }
        $one->kill();
        $two = taker($endpoint, $ack);
        $near->send(8);
        $seen[] = '|';
        do $seen[] = $last = ask($two, 'recv', $near); while ($last !== '8');
        if ($ack === 'manual') ask($two, 'ack', $near);
        // Consumed messages may be repeated if their acknowledgement was lost. None is missing or out of order.
        if ($ack === 'auto') $seen = array_values(array_unique($seen));
        echo "$transport $ack: ", implode(' ', $seen), "\n";
        $two->kill();
        // Unacknowledged messages are an error here, and not a line on stderr at the end of the object.
        try { $near->close(timeout: 0); } catch (Linkspan\LinkspanException) { }
        unset($near);
    }
}
?>
--EXPECT--
shm auto: 0 1 2 | 3 4 5 6 7 8
shm manual: 0 1 2 3 | 3 4 5 6 7 8
unix auto: 0 1 2 | 3 4 5 6 7 8
unix manual: 0 1 2 3 | 3 4 5 6 7 8
tcp auto: 0 1 2 | 3 4 5 6 7 8
tcp manual: 0 1 2 3 | 3 4 5 6 7 8
fifo auto: 0 1 2 | 3 4 5 6 7 8
fifo manual: 0 1 2 3 | 3 4 5 6 7 8
spool auto: 0 1 2 | 3 4 5 6 7 8
spool manual: 0 1 2 3 | 3 4 5 6 7 8
