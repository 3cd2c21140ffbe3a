--TEST--
Each public method of each object is refused in a forked child, but for those of the object alone
--EXTENSIONS--
linkspan
pcntl
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener, Publisher, Server};
use function Linkspan\subscribe;

runtime_directory();

/** The arguments of methods; methods that are not listed take none. */
const ARGUMENTS = [
    'send' => [1], 'trySend' => [1], 'sendMany' => [[1, 2]], 'call' => [1], 'startCall' => [1], 'reply' => [1], 'fail' => ['refused'],
    'get' => ['n'], 'offsetExists' => ['n'], 'offsetGet' => ['n'], 'checkFingerprint' => ['0000000000000000000000000000000000000000000000000000000000000000'], 'waitForSubscribers' => [1],
    'recvMany' => [1], 'loanBytes' => [65536], 'accept' => [0.0], 'recv' => [0.0], 'next' => [0.0],
];

/** Methods that use only the object: its name, its state at the fork, its received messages. */
const PLAIN = [
    'Publisher' => ['close', 'endpoint', 'events', 'stats', 'subscribers'],
    'Subscriber' => ['close', 'endpoint', 'events', 'getIterator', 'stats'],
    'Channel' => ['close', 'endpoint', 'events', 'role', 'stats'],
    'Listener' => ['close', 'endpoint', 'events', 'stats'],
    'Server' => ['close', 'endpoint', 'events', 'getIterator', 'stats'],
    'Request' => ['__toString', 'checkFingerprint', 'count', 'get', 'getIterator', 'jsonSerialize', 'offsetExists', 'offsetGet', 'wantsReply'],
    'PendingReply' => [],
];
/** Methods that create or need another object, or are always refused. */
const OTHERS = ['finishCall', 'serve', 'run', 'onUnconsumed', 'offsetSet', 'offsetUnset', '__construct', '__destruct'];

foreach (['unix', 'shm'] as $transport) {
    $out = new Publisher("$transport:reading");
    $in = subscribe("$transport:reading", timeout: 60);
    $out->send(0);
    $in->recv();
    $listener = Listener::listen("$transport:pair");
    $near = Channel::connect("$transport:pair", timeout: 60);
    $far = $listener->accept(30);
    $server = Server::serve("$transport:asked");
    $client = Channel::connect("$transport:asked", timeout: 60);
    $pending = $client->startCall(['n' => 1]);
    $request = $server->next(30);
    $other = $near->startCall(['n' => 2]);
    $asked = $far->recv(30);
    $child = pcntl_fork();
    if ($child === 0) {
        pcntl_alarm(100);
        $wrong = [];
        foreach ([$out, $in, $listener, $near, $far, $server, $client, $request, $pending] as $object) {
            $class = (new ReflectionClass($object))->getShortName();
            $methods = array_filter((new ReflectionClass($object))->getMethods(ReflectionMethod::IS_PUBLIC), fn ($m) => !$m->isStatic());
            $names = array_diff(array_map(fn ($m) => $m->getName(), $methods), OTHERS);
            usort($names, fn ($a, $b) => [$a === 'close', $a] <=> [$b === 'close', $b]);
            foreach ($names as $name) {
                $became = 'done';
                $arguments = "$class::$name" === 'Channel::reply' ? [$asked, 1] : ARGUMENTS[$name] ?? [];
                try { $object->$name(...$arguments); } catch (Linkspan\InvalidStateException) { $became = 'InvalidState'; } catch (Throwable $e) { $became = $e::class . ': ' . $e->getMessage(); }
                if ($became !== (in_array($name, PLAIN[$class]) ? 'done' : 'InvalidState')) $wrong[] = "$class::$name: $became";
            }
        }
        try { $client->finishCall($pending); $wrong[] = 'finishCall'; } catch (Linkspan\InvalidStateException) {}
        try { foreach ($in as $message) $wrong[] = 'iteration'; } catch (Linkspan\InvalidStateException) {}
        echo implode("\n", $wrong), $wrong ? "\n" : '';
        unset($out, $in, $listener, $near, $far, $server, $client, $request, $pending, $object);
        exit(3);
    }
    pcntl_waitpid($child, $status);
    echo "$transport: ", pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'ended: it hangs', "\n";
    // The child has neither sent nor consumed nor ended anything.
    $out->send(1);
    $far->reply($asked, 'answered, too');
    $near->send('from the parent');
    $request->reply('answered');
    echo $in->recv()->value, ' ', $far->recv(30)->value, ' ', $client->finishCall($pending)->value, ' ', $near->finishCall($other)->value, "\n";
    unset($out, $in, $listener, $near, $far, $server, $client, $request, $pending, $other, $asked);
}
?>
--EXPECT--
unix: 3
1 from the parent answered answered, too
shm: 3
1 from the parent answered answered, too
