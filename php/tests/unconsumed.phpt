--TEST--
The end of a channel without close: on_unconsumed with unset, in a cycle, at the end of a script, its exceptions; flush of a publisher
--EXTENSIONS--
linkspan
pcntl
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener, Publisher, TimeoutException};
use function Linkspan\subscribe;

runtime_directory();
$listener = Listener::listen('unix:end');
$report = function (int $missed) { echo "unconsumed $missed\n"; };
function sender(callable $report): Channel
{
    $channel = Channel::connect('unix:end', on_unconsumed: $report);
    foreach ([1, 2, 3] as $n) $channel->send($n);
    return $channel;
}

echo "--- unset\n";
$ch = sender($report);
unset($ch);
echo "after\n";
$ch = Channel::connect('unix:end', on_unconsumed: $report);
unset($ch);
echo "nothing was sent\n";
$ch = sender($report);
fails(fn () => $ch->close(0));
unset($ch);
echo "closed\n";

echo "--- an exception is one of the destructor\n";
$ch = sender(function () { throw new LogicException('from the callback'); });
try { unset($ch); } catch (LogicException $e) { echo $e->getMessage(), "\n"; }
$ch = sender(function () { throw new LogicException('from the callback'); });
try {
    (function (Channel $last) { throw new RuntimeException('first'); })($ch);
} catch (RuntimeException $e) { echo $e->getMessage(), "\n"; }
unset($e);
try { $ch = null; } catch (LogicException $e) { echo $e->getMessage(), "\n"; }

echo "--- the callback uses its channel\n";
$ch = null;
$ch = sender(function (int $missed) use (&$ch) {
    echo "unconsumed $missed\n";
    fails(fn () => Channel::connect('unix:end', on_unconsumed: 5));
});
$ch = null;
$kept = new stdClass();
$kept->channel = sender(function (int $missed) use (&$kept) {
    echo "unconsumed $missed ", $kept->channel->endpoint(), "\n";
    fails(fn () => $kept->channel->close(0));
    fails(fn () => $kept->channel->send(4));
});
$kept->channel->__destruct();
$kept->channel->__destruct();
unset($kept);

echo "--- the channels of a listener\n";
$answers = Listener::listen('unix:answers', on_unconsumed: $report);
$there = Channel::connect('unix:answers');
$here = $answers->accept();
$here->send('an answer');
unset($answers, $here, $there);

echo "--- a persistent channel outlives its script\n";
fails(fn () => Channel::persistent('unix:end', on_unconsumed: $report));

echo "--- a forked child has none of it\n";
$ch = sender($report);
if (!pcntl_fork()) {
    unset($ch);
    echo "child\n";
    exit(0);
}
pcntl_wait($status);
unset($ch);

foreach (['a cycle' => '$o = new stdClass(); $o->channel = $ch; $o->self = $o; unset($ch, $o);', 'exit' => 'exit(0);', 'the end' => '',
    'an error' => 'throw new LogicException("not caught");', 'a fatal error' => 'trigger_error("on purpose", E_USER_ERROR);'] as $way => $code) {
    echo "--- $way\n";
    $peer = new Peer('ini_set("display_errors", 0); ini_set("log_errors", 0); fclose(STDERR);'
        . '$ch = Linkspan\Channel::connect("unix:end", on_unconsumed: function (int $missed) { echo "unconsumed $missed\n"; });'
        . 'foreach ([1, 2, 3] as $n) $ch->send($n);' . $code);
    echo $peer->finish();
}
foreach (['exits' => 'exit(7)', 'ends in a fatal error' => 'trigger_error("on purpose", E_USER_ERROR)'] as $way => $code) {
    echo "--- a callback $way\n";
    $peer = new Peer('ini_set("display_errors", 0); ini_set("log_errors", 0); fclose(STDERR);'
        . '$ch = Linkspan\Channel::connect("unix:end", on_unconsumed: function (int $missed) { echo "unconsumed $missed\n"; ' . $code . '; });'
        . '$ch->send(1); unset($ch); echo "not reached\n";');
    echo $peer->finish();
}

echo "--- flush of a publisher\n";
foreach (['shm', 'unix', 'tcp'] as $transport) {
    $out = new Publisher($transport === 'tcp' ? 'tcp://127.0.0.1:0' : "$transport:end/values");
    $in = subscribe($out->endpoint(), timeout: 10);
    $in->poll();
    $out->waitForSubscribers(1, 10);
    $out->sendMany([1, 2, 3]);
    try {
        $out->flush(0.02);
        echo "flushed\n";
    } catch (TimeoutException $e) {
        echo $e->getMissed(), " left\n";
    }
    foreach ([1, 2, 3] as $n) assert($in->recv()->value === $n);
    $out->flush();
    $out->close();
    fails(fn () => $out->flush(0));
}
$listener->close();
?>
--EXPECTF--
--- unset
linkspan: unix:%s: %d of the messages %a
unconsumed 3
after
nothing was sent
Timeout
closed
--- an exception is one of the destructor
linkspan: unix:%s: %d of the messages %a
from the callback
first
linkspan: unix:%s: %d of the messages %a
from the callback
--- the callback uses its channel
linkspan: unix:%s: %d of the messages %a
unconsumed 3
WrongType at on_unconsumed
linkspan: unix:%s: %d of the messages %a
unconsumed 3 unix:end
Timeout
InvalidState
--- the channels of a listener
linkspan: unix:%s: %d of the messages %a
unconsumed 1
--- a persistent channel outlives its script
Unsupported at on_unconsumed
--- a forked child has none of it
child
linkspan: unix:%s: %d of the messages %a
unconsumed 3
--- a cycle
unconsumed 3
exit 0
--- exit
unconsumed 3
exit 0
--- the end
unconsumed 3
exit 0
--- an error
unconsumed 3
exit 255
--- a fatal error
exit 255
--- a callback exits
unconsumed 1
exit 7
--- a callback ends in a fatal error
unconsumed 1
exit 255
--- flush of a publisher
3 left
InvalidState
flushed
InvalidState
flushed
InvalidState
