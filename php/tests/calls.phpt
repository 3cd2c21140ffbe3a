--TEST--
Calls in two steps: several requests under way, answered in reverse order while something else is received
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener, PendingReply};

runtime_directory();
foreach (['unix:calls', 'shm:calls'] as $endpoint) {
    $listener = Listener::listen($endpoint);
    $near = Channel::connect($endpoint, timeout: 5);
    $far = $listener->accept();
    $pending = array_map(fn ($n) => $near->startCall($n), [0, 1, 2]);
    assert($pending[0] instanceof PendingReply);
    $requests = [$far->recv(), $far->recv(), $far->recv()];
    $answer = fn ($request) => $far->reply($request, $request->value + 100);
    // No reply has arrived: the request continues.
    fails(fn () => $near->finishCall($pending[0], 0));
    $answer($requests[2]);
    $answer($requests[1]);
    $far->send('data');
    // It arrives after two replies, which are kept.
    echo $near->recv()->value, "\n";
    $answer($requests[0]);
    echo json_encode(array_map(fn ($one) => $near->finishCall($one), $pending)), "\n";
    echo 'dropped ', $near->stats()['dropped'], "\n";
    // A request has only one reply.
    fails(fn () => $near->finishCall($pending[0], timeout: 0.02));
    fails(fn () => $near->startCall("\xff"));
    try { $near->finishCall($near); } catch (TypeError $e) { echo substr($e->getMessage(), 0, 62), "\n"; }
    $listener->close();
    unset($near, $far, $listener, $requests);
}
?>
--EXPECT--
Timeout
data
[100,101,102]
dropped 0
InvalidState
Unsupported
Linkspan\Channel::finishCall(): Argument #1 ($pending) must be
Timeout
data
[100,101,102]
dropped 0
InvalidState
Unsupported
Linkspan\Channel::finishCall(): Argument #1 ($pending) must be
