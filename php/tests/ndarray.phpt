--TEST--
NdArray: every element type, shapes, both orders, positions, views, nested lists both ways
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BigInt, Encoding, LinkspanException, NdArray};
use function Linkspan\{decode, encode};

function refused(callable $do): void
{
    try {
        $do();
        echo "accepted\n";
    } catch (LinkspanException $e) {
        echo $e->getKind(), ' at ', $e->getPath() ?? '-', $e->getKind() === 'WrongType' ? ": {$e->getMessage()}" : '', "\n";
    }
}

$edges = [
    'bool' => [true, false], 'i8' => [-128, 127], 'i16' => [-32768, 32767], 'i32' => [-2147483648, 2147483647],
    'i64' => [PHP_INT_MIN, PHP_INT_MAX], 'u8' => [0, 255], 'u16' => [0, 65535], 'u32' => [0, 4294967295],
    'u64' => [0, new BigInt('18446744073709551615')], 'f32' => [0.5, -INF], 'f64' => [0.1, -0.0],
    'c64' => [[0.5, -1.5], [2.0, 3.0]], 'c128' => [[0.1, 0.2], [0.3, -0.0]],
];
foreach ($edges as $dtype => $items) {
    $array = NdArray::fromArray($items, $dtype);
    foreach (Encoding::cases() as $encoding) {
        if ($encoding === Encoding::Raw) continue;
        $back = decode(encode(['x' => $array], $encoding), $encoding)['x'];
        if (!($back instanceof NdArray) || var_export($back->toArray(), true) !== var_export($items, true) || $back->dtype !== $dtype) {
            echo "$dtype through {$encoding->value}\n";
        }
    }
    echo $dtype, ' ', json_encode($array->shape), ' ', strlen($array->data), "\n";
}

$rows = NdArray::fromArray([[1, 2, 3], [4, 5, 6]], 'i32');
$columns = new NdArray('i32', [2, 3], pack('V*', 1, 4, 2, 5, 3, 6), order: 'column');
var_dump($rows->toArray() === $columns->toArray(), $rows->order, $columns->order);
var_dump(decode(encode($columns))->order, decode(encode($columns))->toArray() === $rows->toArray());
var_dump($rows[1][2], $columns[1][2], $rows[[1, 2]], $columns[[1, 2]], $rows[1]->toArray() === $columns[1]->toArray());
var_dump(count($rows), isset($rows[1]), isset($rows[2]), isset($rows[[0, 3]]), json_encode($columns));
$cube = NdArray::fromArray([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], 'u8');
$same = new NdArray('u8', [2, 2, 2], pack('C*', 1, 5, 3, 7, 2, 6, 4, 8), 'column');
var_dump($cube->toArray() === $same->toArray(), json_encode($cube[1]), json_encode($same[1]), json_encode($same[[1, 0]]));
$point = new NdArray('f64', [], pack('e', 2.5));
var_dump($point->toArray(), decode(encode($point))->shape, count($point));
$none = new NdArray('f64', [3, 0], '');
var_dump($none->toArray(), decode(encode($none))->shape);
$wave = new NdArray('f64', [4096], str_repeat(pack('e', 1.5), 4096));
var_dump(decode(encode($wave))->data === $wave->data);

refused(fn () => new NdArray('f16', [1], 'xx'));
refused(fn () => new NdArray('u8', [2, 2], 'abc'));
refused(fn () => new NdArray('u8', [-1], ''));
refused(fn () => new NdArray('u8', array_fill(0, 16, 1), 'a'));
refused(fn () => new NdArray('bool', [1], "\2"));
refused(fn () => new NdArray('u8', [1], 'a', 'diagonal'));
refused(fn () => NdArray::fromArray([[1, 2], [3]]));
refused(fn () => NdArray::fromArray([[1, 2], 3]));
refused(fn () => NdArray::fromArray([1, 256], 'u8'));
refused(fn () => NdArray::fromArray([1, -1], 'u64'));
refused(fn () => NdArray::fromArray([1, 2.5], 'i8'));
refused(fn () => NdArray::fromArray([[1, 'x']]));
refused(fn () => NdArray::fromArray([1e300], 'f32'));
refused(fn () => NdArray::fromArray([PHP_INT_MAX]));
refused(fn () => $rows[2]);
refused(fn () => $rows[[0, 0, 0]]);
refused(fn () => $rows['x']);
refused(function () use ($rows) { $rows[0] = 1; });
refused(function () use ($rows) { unset($rows[0]); });
?>
--EXPECT--
bool [2] 2
i8 [2] 2
i16 [2] 4
i32 [2] 8
i64 [2] 16
u8 [2] 2
u16 [2] 4
u32 [2] 8
u64 [2] 16
f32 [2] 8
f64 [2] 16
c64 [2] 16
c128 [2] 32
bool(true)
string(3) "row"
string(6) "column"
string(6) "column"
bool(true)
int(6)
int(6)
int(6)
int(6)
bool(true)
int(2)
bool(true)
bool(false)
bool(false)
string(17) "[[1,2,3],[4,5,6]]"
bool(true)
string(13) "[[5,6],[7,8]]"
string(13) "[[5,6],[7,8]]"
string(5) "[5,6]"
float(2.5)
array(0) {
}
int(1)
array(3) {
  [0]=>
  array(0) {
  }
  [1]=>
  array(0) {
  }
  [2]=>
  array(0) {
  }
}
array(2) {
  [0]=>
  int(3)
  [1]=>
  int(0)
}
bool(true)
Unsupported at -
Malformed at -
OutOfRange at -
TooLarge at -
Malformed at -
Unsupported at -
Malformed at 1
WrongType at 1: a number stands where the others are lists, at path 1
OutOfRange at 1
OutOfRange at 1
WrongType at 1: expected an integer, found a float, at path 1
WrongType at 0/1: expected a number, found a string, at path 0/1
OutOfRange at 0
OutOfRange at 0
Missing at -
Missing at -
WrongType at -: a position is an integer, or a list of them
InvalidState at -
InvalidState at -
