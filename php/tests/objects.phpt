--TEST--
Objects are not serialized, not made from serialized text, and not cloned where they hold a connection; long strings beyond memory_limit are exceptions
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{BigInt, Bytes, Channel, Decimal, Listener, NdArray, Publisher, Server, Timestamp, Uuid};
use function Linkspan\{encode, latest, subscribe};

runtime_directory();
$out = new Publisher('unix:reading');
$out->send(['n' => 1]);
$listener = Listener::listen('unix:pair');
$near = Channel::connect('unix:pair', timeout: 60);
$server = Server::serve('unix:asked');
$client = Channel::connect('unix:asked', timeout: 60);
$pending = $client->startCall(1);
$objects = [
    $out, $listener, $near, $server, $pending, $server->next(30), subscribe('unix:reading'), latest('unix:reading'),
    new Bytes('x'), Timestamp::now(), new BigInt('1'), new Decimal('1.5'), new NdArray('u8', [2], 'ab'),
    new Uuid('01234567-89ab-cdef-0123-456789abcdef'),
];
foreach ($objects as $object) {
    $class = $object::class;
    echo $class, ': ';
    try { serialize($object); echo 'serialized'; } catch (Exception $e) { echo $e->getMessage() === "Serialization of '$class' is not allowed" ? 'not serialized' : $e->getMessage(); }
    try { $clone = clone $object; echo ', cloned'; } catch (Error $e) { echo $e->getMessage() === "Trying to clone an uncloneable object of class $class" ? ', not cloned' : $e->getMessage(); }
    echo "\n";
}
// Every class, also classes without an object here.
$wrong = [];
foreach (get_declared_classes() as $class) {
    $reflected = new ReflectionClass($class);
    if ($reflected->getExtensionName() !== 'linkspan' || $reflected->isEnum() || $reflected->isAbstract() || is_a($class, Throwable::class, true)) continue;
    foreach (['O:%d:"%s":0:{}', 'C:%d:"%s":0:{}', 'O:%d:"%s":1:{s:4:"data";s:1:"x";}'] as $form) {
        try {
            $wrong[] = [$class, unserialize(sprintf($form, strlen($class), $class))];
        } catch (Exception $e) {
            if ($e->getMessage() !== "Unserialization of '$class' is not allowed") $wrong[] = [$class, $e->getMessage()];
        }
    }
}
var_dump($wrong);
// The objects work as before.
$out->send(['n' => 2]);
echo latest('unix:reading')['n'], "\n";

// Arrays and bytes are in memory of the library. PHP's copy is refused before PHP ends the script.
$array = new NdArray('f64', [1 << 20], str_repeat("\1", 8 << 20));
$bytes = new Bytes(str_repeat('x', 8 << 20));
$limit = ini_get('memory_limit');
ini_set('memory_limit', (string) (memory_get_usage() + (6 << 20)));
$takes = [
    'array' => fn () => $array->data, 'bytes' => fn () => $bytes->data, 'text' => fn () => (string) $bytes, 'json' => fn () => $bytes->jsonSerialize(),
    'encode' => fn () => encode($array), 'lists' => fn () => $array->toArray(),
];
foreach ($takes as $name => $take) {
    try { $became = strlen(serialize($take())); } catch (Linkspan\LinkspanException $e) { $became = $e::class . (str_contains($e->getMessage(), 'memory_limit leaves') ? '' : $e->getMessage()); }
    echo "$name $became\n";
}
echo count($array), ' ', count($bytes), "\n";
ini_set('memory_limit', $limit);
echo strlen($array->data), ' ', strlen((string) $bytes), "\n";
unset($out, $listener, $near, $server, $client, $pending, $objects, $object);
?>
--EXPECT--
Linkspan\Publisher: not serialized, not cloned
Linkspan\Listener: not serialized, not cloned
Linkspan\Channel: not serialized, not cloned
Linkspan\Server: not serialized, not cloned
Linkspan\PendingReply: not serialized, not cloned
Linkspan\Request: not serialized, not cloned
Linkspan\Subscriber: not serialized, not cloned
Linkspan\Message: not serialized, not cloned
Linkspan\Bytes: not serialized, cloned
Linkspan\Timestamp: not serialized, cloned
Linkspan\BigInt: not serialized, cloned
Linkspan\Decimal: not serialized, cloned
Linkspan\NdArray: not serialized, cloned
Linkspan\Uuid: not serialized, cloned
array(0) {
}
2
array Linkspan\OutOfMemoryException
bytes Linkspan\OutOfMemoryException
text Linkspan\OutOfMemoryException
json Linkspan\OutOfMemoryException
encode Linkspan\OutOfMemoryException
lists Linkspan\OutOfMemoryException
1048576 8388608
8388608 8388608
