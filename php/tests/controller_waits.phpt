--TEST--
Waits of a controller's calls: linkspan.timeout, on_wait, fibers, and connections of several objects, one after the other and at once
--EXTENSIONS--
linkspan
pcntl
posix
--FILE--
<?php
use Linkspan\{Controller, State};
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/services.inc';

runtime_directory();
ini_set('linkspan.timeout', '0.1');
fails(fn () => new Controller);
$program = controller();
$service = service('power');
await_state(new Controller(timeout: 60), 'power', State::Running);

// The ini entry is the default time-out of calls and of objects without the option.
$short = new Controller;
fails(fn () => $short->service('power')->command('dawdle', 60));
echo $service->line(), "\n";
$short->service('power')->cancel(timeout: 60);
fails(fn () => $short->watch(['nobody'], timeout: 0.1)->next());
fails(fn () => $short->services(timeout: -2));
unset($short);
ini_set('linkspan.timeout', '20');

// on_wait runs while a command waits, and ends the wait; the command continues until it is cancelled.
$count = 0;
$patient = new Controller(on_wait: function () use (&$count) { return ++$count < 3; });
fails(fn () => $patient->service('power')->command('dawdle', 60));
echo $service->line(), ' ', $count, "\n";
$patient->service('power')->cancel();
unset($patient);

// Consecutive objects share one connection; simultaneous objects have separate ones.
$clients = fn () => (new Controller(client_id: 'counter'))->stats()['clients'];
$before = $clients();
for ($i = 0; $i < 5; $i++) {
    $one = new Controller(client_id: 'page');
    $one->services();
    unset($one);
}
echo 'after each other: ', $clients() - $before, "\n";
$before = $clients();
$two = [new Controller(max_message_size: 100_000), new Controller(max_message_size: 100_000)];
echo 'beside each other: ', $clients() - $before, "\n";
unset($two);

// While one fiber waits for a long command, another one sends commands.
$order = [];
$ask = fn (callable $what) => new Fiber(function () use ($what) {
    return $what((new Controller(on_wait: function () { if (Fiber::getCurrent()) Fiber::suspend(); }))->service('power'));
});
$slow = $ask(function ($power) use (&$order) {
    fails(fn () => $power->command('dawdle', 60));
    $order[] = 'slow';
});
$slow->start();
echo $service->line(), "\n";
for ($i = 0; $i < 3; $i++) {
    $quick = $ask(function ($power) use (&$order) { $state = $power->status()['state']; $order[] = 'quick'; return $state; });
    $quick->start();
    while (!$quick->isTerminated()) $quick->resume();
    echo $quick->getReturn(), "\n";
}
(new Controller)->service('power')->cancel();
while (!$slow->isTerminated()) $slow->resume();
echo implode(' ', $order), "\n";

// A child opens its own connection; the parent's object refuses calls there.
$parents = new Controller;
$child = pcntl_fork();
if ($child === 0) {
    ob_start();
    fails(fn () => $parents->services());
    echo count((new Controller)->services()), " service in the child\n";
    unset($parents);
    ob_end_flush();
    posix_kill(getmypid(), 9);
}
pcntl_waitpid($child, $status);
echo count($parents->services()), " service in the parent\n";

posix_kill($service->pid(), 15);
echo $service->finish();
posix_kill($program->pid(), 15);
echo $program->finish();
?>
--EXPECTF--
NotFound
Timeout
dawdling
Timeout
OutOfRange
Cancelled
dawdling 3
after each other: 1
beside each other: 2
dawdling
RUNNING
RUNNING
RUNNING
Cancelled
quick quick quick slow
InvalidState
1 service in the child
1 service in the parent
closed with %d rows
stopped
exit 0
exit 0
