--TEST--
Channels: connect, listen and accept, open; send and recv of every kind of value; poll, events, close
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Bytes, Channel, Encoding, Listener, Message, NdArray, Timestamp};

runtime_directory();
foreach (['unix:pair', 'shm:pair'] as $endpoint) {
    echo "$endpoint\n";
    foreach ([Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile] as $encoding) {
        $listener = Listener::listen($endpoint, encoding: $encoding);
        $a = Channel::connect($endpoint, encoding: $encoding, timeout: 5, client_id: 'panel');
        $b = $listener->accept();
        $value = ['n' => null, 'list' => [1, 2.5, 'ü'], 'when' => new Timestamp(5), 'raw' => new Bytes("\0\xff"),
            'wave' => NdArray::fromArray([[1, 2], [3, 4]]), 'empty' => new stdClass, 'a/b' => ['~' => true]];
        $number = $a->send($value);
        $message = $b->recv();
        assert($message instanceof Message && $message->encoding === $encoding && $message->sequence === $number);
        assert(var_export($message->value, true) === var_export($value, true));
        assert($message->source === 'panel' && abs($message->sent->seconds - microtime(true)) < 60);
        assert($message['list'][2] === 'ü' && $message['a/b'] === ['~' => true] && $message->get('a~1b/~0') === true);
        assert($message->get('wave')[1][0] === 3.0 && $message->get('list/1') === 2.5 && $message->get('')['n'] === null);
        assert(isset($message['list']) && !isset($message['n']) && !isset($message['x']) && !$message->wantsReply());
        assert(json_encode($message['list']) === '[1,2.5,"\u00fc"]');
        // In the other direction: several messages, and a message as the value of another.
        for ($i = 0; $i < 3; $i++) $b->send($i);
        $b->send($message);
        assert($a->poll() && $a->writable());
        assert([$a->recv()->value, $a->tryRecv()->value, $a->recv(timeout: 1)->value] === [0, 1, 2]);
        assert($a->recv()['wave']->shape === [2, 2]);
        $big = str_repeat('x', 1_000_000);
        // The ring and the socket hold less, and there is no concurrent reader: send it in pieces.
        foreach (str_split($big, 50_000) as $piece) { $a->send($piece); assert($b->recv()->value === $piece); }
        assert([$a->role(), $b->role(), $a->endpoint()] === ['connector', 'listener', $endpoint]);
        assert($a->stats()['sent'] === 21 && $b->stats()['received'] === 21 && is_int($a->fileno()) && is_int($listener->fileno()));
        $events = $a->events();
        assert($events[0]->kind === 'connected' && $events[0]->at instanceof Timestamp && $a->events() === []);
        assert($listener->events() === [] && $listener->stats() === ['forgotten' => 0, 'dropped' => 0]);
        $listener->close();
        unset($listener, $a, $b);
    }
    $listener = Listener::listen($endpoint);
    $a = Channel::connect($endpoint);
    $b = $listener->accept();
    fails(fn () => $b->tryRecv());
    fails(fn () => $b->recv(0.01));
    fails(fn () => $b->recv(timeout: 0));
    fails(fn () => $a->recv(-2));
    fails(fn () => $a->send(["\xff"]));
    fails(fn () => $a->send("only this one arrives") === 1 ? $b->recv()['key'] : null);
    fails(fn () => Listener::listen($endpoint));
    $a->send(1);
    try { $message = $b->recv(); $message['x'] = 1; } catch (Linkspan\InvalidStateException $e) { echo $e->getMessage(), "\n"; }
    $listener->close();
    unset($b, $listener);
    fails(fn () => $a->call('anybody?', 0.05));
    // The peer left before its next receive acknowledged the last message.
    try { $a->close(0); } catch (Linkspan\LinkspanException $e) { echo preg_match('/\d+ messages? was|\d+ messages/', $e->getMessage(), $m) ? $m[0] : $e, "\n"; }
    fails(fn () => $a->send(1));
    unset($a);
    // Of two ends that open the endpoint, one listens.
    $first = Channel::open($endpoint);
    $second = Channel::open($endpoint);
    $second->send('hello');
    echo $first->role(), ' ', $second->role(), ' ', $first->recv()->value, "\n";
    unset($first, $second);
}
fails(fn () => Channel::connect('unix:nobody', timeout: 0.01));
fails(fn () => Channel::connect('no such/transport:x'));
fails(fn () => Channel::connect("unix:../up"));
try { new Channel(); } catch (Error $e) { echo $e->getMessage(), "\n"; }
try { clone Channel::open('unix:one'); } catch (Error $e) { echo $e->getMessage(), "\n"; }
?>
--EXPECT--
unix:pair
Empty
Timeout
Timeout
OutOfRange
Unsupported at 0
WrongType at key
AddressInUse
a message is read-only: change its value and send that
Disconnected
1 message was
InvalidState
listener connector hello
shm:pair
Empty
Timeout
Timeout
OutOfRange
Unsupported at 0
WrongType at key
AddressInUse
a message is read-only: change its value and send that
Disconnected
1 message was
InvalidState
listener connector hello
NotFound
InvalidEndpoint
InvalidEndpoint
Call to private Linkspan\Channel::__construct() from global scope
Trying to clone an uncloneable object of class Linkspan\Channel
