--TEST--
Fibers: on_wait may suspend one, so that others run during a wait; dropped fibers and fatal errors meanwhile
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener};

runtime_directory();
$l = Listener::listen('unix:fib');
// The main script, outside any fiber, connects: its wait is also allowed.
$suspend = function () { if (Fiber::getCurrent()) Fiber::suspend(); };
$fibers = [];
foreach (['one', 'two'] as $name) {
    $ch = Channel::connect('unix:fib', timeout: 5, on_wait: $suspend);
    $peers[$name] = $l->accept(1);
    $fibers[$name] = new Fiber(function () use ($ch, $name) { return "$name got " . $ch->recv(5)->value; });
}
foreach ($fibers as $f) $f->start();
$peers['two']->send('first'); $peers['one']->send('second');
while (array_filter($fibers, fn ($f) => !$f->isTerminated())) foreach ($fibers as $f) if (!$f->isTerminated()) $f->resume();
foreach ($fibers as $f) echo $f->getReturn(), "\n";
// Dropping a waiting fiber ends it, and its channel can be used again.
$ch = Channel::connect('unix:fib', timeout: 5, on_wait: $suspend);
$f = new Fiber(fn () => $ch->recv(5)); $f->start(); unset($f);
// A fatal error while a fiber waits.
$f = new Fiber(fn () => $ch->recv(5)); 
$f->start();
$l->close();
unset($l, $peers);
trigger_error('on purpose', E_USER_ERROR);
?>
--EXPECTF--
one got second
two got first

Fatal error: on purpose in %s on line %d
