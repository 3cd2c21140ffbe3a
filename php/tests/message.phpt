--TEST--
Messages are countable and iterable as their value: maps, lists, arrays; other values are refused
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{NdArray, Publisher, Timestamp};

runtime_directory();
$out = new Publisher('unix:message');
$in = Linkspan\subscribe('unix:message');
function message(mixed $value): Linkspan\Message
{
    global $out, $in;
    $out->send($value);
    return $in->recv(20);
}
function show(mixed $value): void
{
    $message = message($value);
    echo count($message), ':';
    foreach ($message as $key => $item) echo " $key=", json_encode($item);
    echo "\n";
}
$in->poll();
show(['celsius' => 21.5, 'tags' => ['a', 'b'], '7' => null]);
show([10, 'x', ['y' => 1]]);
show([]);
show(new stdClass);
show((object) ['0' => 'first', '1' => 'second']);
show(NdArray::fromArray([1.5, 2.5]));
show(NdArray::fromArray([[1, 2], [3, 4]], 'i32'));
foreach ([5, 'text', null, new Timestamp(0)] as $other) {
    fails(fn () => count(message($other)));
    fails(fn () => iterator_to_array(message($other)));
}
echo "--- a request\n";
$server = Linkspan\serve('unix:message/server');
$client = Linkspan\connect('unix:message/server');
$client->send(['a' => 1, 'b' => 2]);
$request = $server->next(20);
echo count($request), ' ', json_encode(iterator_to_array($request)), "\n";
echo "--- verbs\n";
foreach ([Linkspan\publisher('unix:verbs/a'), Linkspan\listen('unix:verbs/b'), Linkspan\open('unix:verbs/c')] as $object) {
    echo $object::class, ' ', $object->endpoint(), "\n";
}
echo "--- encodings by name\n";
echo Linkspan\encode(['n' => 1], 'json'), ' ', bin2hex(Linkspan\transcode('{"n":1}', 'json', Linkspan\Encoding::Cbor)), ' ', Linkspan\decode('7', encoding: 'json'), "\n";
fails(fn () => Linkspan\encode(1, 'xml'));
fails(fn () => Linkspan\encode(1, 5));
echo "--- time-outs\n";
fails(fn () => $in->recv(-1));
fails(fn () => $in->recv(NAN));
fails(fn () => Linkspan\listen('unix:verbs/d', timeout: -1));
fails(fn () => Linkspan\listen('unix:verbs/d', timout: 1));
unset($out, $in, $server, $client, $request, $object);
?>
--EXPECT--
3: celsius=21.5 tags=["a","b"] 7=null
3: 0=10 1="x" 2={"y":1}
0:
0:
2: 0="first" 1="second"
2: 0=1.5 1=2.5
2: 0=[1,2] 1=[3,4]
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
--- a request
2 {"a":1,"b":2}
--- verbs
Linkspan\Publisher unix:verbs/a
Linkspan\Listener unix:verbs/b
Linkspan\Channel unix:verbs/c
--- encodings by name
{"n":1} a1616e01 7
Unsupported
WrongType
--- time-outs
OutOfRange
OutOfRange
OutOfRange at timeout
Unsupported at timout
