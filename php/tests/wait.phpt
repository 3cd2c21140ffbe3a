--TEST--
Waits: on_wait runs and can end them, exceptions and fatal errors in it propagate, signal handlers run, ini and options set the time-out
--EXTENSIONS--
linkspan
pcntl
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener};

runtime_directory();
$listener = Listener::listen('unix:wait');
$calls = 0;
$ch = Channel::connect('unix:wait', on_wait: function () use (&$calls) { return ++$calls < 3; }, timeout: INF);
fails(fn () => $ch->recv());
echo "$calls calls\n";
$calls = 0;
$ch = Channel::connect('unix:wait', ...['on_wait' => function () { throw new LogicException('from on_wait'); }]);
try { $ch->recv(INF); } catch (LogicException $e) { echo get_class($e), ' ', $e->getMessage(), "\n"; }
fails(fn () => Channel::connect('unix:nobody', ['on_wait' => fn () => false]));
// A wait inside a wait of the same object, in the same direction.
$ch = Channel::connect('unix:wait', on_wait: function () use (&$ch) { fails(fn () => $ch->tryRecv()); return false; });
fails(fn () => $ch->recv(INF));
unset($ch);

echo "--- signals\n";
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function () { throw new RuntimeException('handled in the wait'); });
$ch = Channel::connect('unix:wait');
$me = posix_getpid();
try {
    // The wait has begun: a busy machine may otherwise deliver the signal before it.
    if (!pcntl_fork()) { usleep(50_000); posix_kill($me, SIGUSR1); posix_kill(posix_getpid(), SIGKILL); }
    $ch->recv(30);
} catch (RuntimeException $e) { echo $e->getMessage(), "\n"; }
pcntl_wait($status);
// From now on handlers run when the script dispatches them, and not in waits.
pcntl_async_signals(false);
posix_kill($me, SIGUSR1);
try { $ch->recv(0.05); } catch (Linkspan\TimeoutException $e) { echo "not handled in the wait\n"; }
try { pcntl_signal_dispatch(); } catch (RuntimeException $e) { echo "handled behind the wait\n"; }

echo "--- time-outs\n";
function waits(callable $do): void { try { $do(); } catch (Linkspan\TimeoutException $e) { echo preg_match('/ ([0-9.]+ s)/', $e->getMessage(), $m) ? $m[1] : $e->getMessage(), "\n"; } }
ini_set('linkspan.timeout', '0.02');
waits(fn () => Channel::connect('unix:wait')->recv());
waits(fn () => Channel::connect('unix:wait', timeout: 0.01)->recv());
waits(fn () => Channel::connect('unix:wait', ['timeout' => 0.01], timeout: 0.03)->recv());
waits(fn () => Channel::connect('unix:wait', timeout: 5)->recv(timeout: 0.04));
var_dump(ini_set('linkspan.timeout', 'soon'), ini_set('linkspan.timeout', '-1'), ini_get('linkspan.timeout'), ini_set('linkspan.timeout', 'inf'));
ini_restore('linkspan.timeout');
var_dump(ini_get('linkspan.timeout'));

echo "--- options\n";
fails(fn () => Channel::connect('unix:wait', colour: 'red'));
fails(fn () => Channel::connect('unix:wait', encoding: 'xml'));
fails(fn () => Channel::connect('unix:wait', timeout: '1'));
fails(fn () => Channel::connect('unix:wait', max_message_size: -1));
fails(fn () => Channel::connect('unix:wait', client_id: "\xff"));
fails(fn () => Channel::connect('unix:wait', on_wait: 'no such function'));
fails(fn () => Channel::connect('unix:wait', 5));
fails(fn () => Channel::connect('unix:wait', ['timeout' => 1, 7 => 2]));

echo "--- a fatal error\n";
// Another process ends by it. Its shutdown functions still run, and it exits normally.
$peer = new Peer(<<<'PHP'
    register_shutdown_function(function () use (&$ch) { echo "shutdown, ", $ch->role(), "\n"; });
    $ch = Linkspan\Channel::connect('unix:wait', on_wait: function () { trigger_error('from on_wait', E_USER_ERROR); });
    $ch->recv(INF);
    echo "not reached\n";
    PHP);
echo $peer->finish();
unset($listener, $ch);
?>
--EXPECTF--
Cancelled
3 calls
LogicException from on_wait
Cancelled
InvalidState
Cancelled
--- signals
handled in the wait
not handled in the wait
handled behind the wait
--- time-outs
0.02 s
0.01 s
0.03 s
0.04 s
bool(false)
bool(false)
string(4) "0.02"
string(4) "0.02"
string(2) "30"
--- options
Unsupported at colour
Unsupported at encoding
WrongType at timeout
OutOfRange at max_message_size
Unsupported at client_id
WrongType at on_wait
WrongType
Unsupported at 7
--- a fatal error

Fatal error: from on_wait in %s on line %d
shutdown, connector
exit 255
