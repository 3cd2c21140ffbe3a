<?php
// Sends 1,000 messages and ends without close. One message is consumed, and the callback gets the number of the others.
[, $name, $way] = $argv;

function report(int $missed): void
{
    static $calls = 0;
    echo "unconsumed $missed, call ", ++$calls, "\n";
}

class Holder
{
    public ?Linkspan\Channel $channel = null;
}

// With "gc" the callback and the channel refer to each other: the end of the script ends the cycle.
$holder = new Holder();
$callback = function (int $missed) use ($holder) {
    assert($holder->channel->endpoint() !== '');
    report($missed);
};
$channel = Linkspan\connect($name, on_unconsumed: $way === 'gc' ? $callback : report(...));
if ($way === 'gc') $holder->channel = $channel;
for ($i = 0; $i < 1000; $i++) {
    $channel->send(['i' => $i]);
}
do {
    try {
        $channel->flush(timeout: 0.02);
        exit(3);
    } catch (Linkspan\TimeoutException $error) {
    }
} while ($error->getMissed() !== 999);
echo "sent\n";
fgets(STDIN);
unset($holder, $callback, $error);
if ($way !== 'exit') {
    unset($channel);
    if ($way === 'free') echo "after\n";
}
