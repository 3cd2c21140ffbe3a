--TEST--
What var_export writes of a value makes it again; json_encode writes null for a number that is none, in arrays and messages
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BigInt, Bytes, Decimal, NdArray, Timestamp, Uuid};

$values = [
    new Bytes("a\0\xff"),
    new Timestamp(1251082000250000000),
    new BigInt('-170141183460469231731687303715884105729'),
    new Decimal('1.10'),
    new Uuid('01234567-89ab-cdef-0123-456789abcdef'),
    new NdArray('i16', [2, 3], pack('s6', 1, 2, 3, 4, 5, 6), 'column'),
    new NdArray('f64', [], pack('d', 2.5)),
];
foreach ($values as $value) {
    $again = eval('return ' . var_export($value, true) . ';');
    echo get_class($value), ' ', $again == $value ? 'the same' : 'another', "\n";
    foreach ([[], ['data' => 7, 'nanoseconds' => 'x', 'text' => 7, 'dtype' => 7]] as $properties) {
        try {
            $value::__set_state($properties);
            echo "made\n";
        } catch (Linkspan\WrongTypeException $e) {
        }
    }
}
try {
    Uuid::__set_state(['text' => 'no']);
} catch (Linkspan\MalformedException $e) {
    echo $e->getMessage(), "\n";
}
echo json_encode(new NdArray('f64', [3], pack('d3', 1.5, NAN, -INF))), "\n";
$publisher = Linkspan\publisher('unix:test/exported');
$publisher->send(['x' => NAN, 'list' => [1.5, INF], 'wave' => new NdArray('f32', [2], pack('f2', NAN, 2))]);
$message = Linkspan\latest('unix:test/exported');
echo json_encode($message), "\n", json_last_error_msg(), "\n";
echo is_nan($message['x']) ? "NAN\n" : "no NAN\n";
?>
--EXPECT--
Linkspan\Bytes the same
Linkspan\Timestamp the same
Linkspan\BigInt the same
Linkspan\Decimal the same
Linkspan\Uuid the same
Linkspan\NdArray the same
Linkspan\NdArray the same
"no" is not a UUID such as 01234567-89ab-cdef-0123-456789abcdef
[1.5,null,null]
{"x":null,"list":[1.5,null],"wave":[null,2]}
No error
NAN
