--TEST--
An NdArray is walked by foreach as its elements, again and inside of another loop; a message prints as JSON
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{NdArray, Publisher};

$rows = NdArray::fromArray([[1, 2], [3, 4]], 'i32');
foreach ($rows as $key => $row) {
    echo $key, ':';
    foreach ($row as $number) echo ' ', $number;
    foreach ($rows as $other) echo ' ', count($other);
    echo "\n";
}
$columns = new NdArray('i32', [2, 2], pack('V*', 1, 3, 2, 4), 'column');
var_dump(json_encode(iterator_to_array($columns)), count($rows) === count(iterator_to_array($rows)));
$walk = $rows->getIterator();
foreach ([1, 2] as $_) foreach ($walk as $key => $row) echo $key, json_encode($row), "\n";
foreach (new NdArray('f64', [2, 0], '') as $row) echo count($row), "\n";
foreach (new NdArray('f64', [0], '') as $number) echo "never\n";
foreach (NdArray::fromArray([[0.5, 1.5]], 'c128') as $complex) echo json_encode($complex), "\n";
try {
    foreach (new NdArray('f64', [], pack('e', 1)) as $number) echo "never\n";
} catch (Linkspan\WrongTypeException $e) {
    echo $e->getMessage(), "\n";
}
echo "--- a message\n";
runtime_directory();
$out = new Publisher('unix:message');
$in = Linkspan\subscribe('unix:message');
$in->poll();
foreach ([['celsius' => 21.0, 'where' => 'Zürich/Süd', 'rows' => $rows], [1, null], 'text', new Linkspan\Timestamp(0), new stdClass] as $value) {
    $out->send($value);
    $message = $in->recv(20);
    $printed = json_encode($message, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
    echo $message, (string) $message === $printed ? '' : " is printed as $printed", json_encode($message) === json_encode($message->value) ? '' : ' differs', $message instanceof Stringable ? '' : ' none', "\n";
}
// Null replaces values without a form in JSON.
$wave = NdArray::fromArray([[NAN, 1.5], [INF, -INF]]);
foreach ([['x' => NAN, 'y' => ['z' => -INF, 'n' => 1.0]], [INF, 'text', $wave], (object) ['0' => NAN, '1' => 2], ['7' => NAN], NAN] as $value) {
    $out->send($value);
    echo $in->recv(20), "\n";
}
$out->send(new Linkspan\Bytes("\xff"));
echo gettype((string) $in->recv(20)), "\n";
$in->close();
$out->close();
?>
--EXPECT--
0: 1 2 2 2
1: 3 4 2 2
string(13) "[[1,2],[3,4]]"
bool(true)
0[1,2]
1[3,4]
0[1,2]
1[3,4]
0
0
[0.5,1.5]
an array without dimensions has one element and no items: $array->toArray() is that element
--- a message
{"celsius":21,"where":"Zürich/Süd","rows":[[1,2],[3,4]]}
[1,null]
"text"
"1970-01-01T00:00:00Z"
{}
{"x":null,"y":{"z":null,"n":1}}
[null,"text",[[null,1.5],[null,null]]]
{"0":null,"1":2}
{"7":null}
null
string
