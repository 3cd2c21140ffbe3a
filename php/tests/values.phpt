--TEST--
Values of PHP and back through every encoding: types, lists and maps, and what needs a class of its own
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BigInt, Bytes, Decimal, Encoding, NdArray, Timestamp, Uuid};
use function Linkspan\{decode, encode, transcode};

enum Colour: string { case Red = 'red'; }
enum Level: int { case High = 3; }

$text = 'ünï ☃';
$values = [
    'null' => null, 'true' => true, 'false' => false,
    'zero' => 0, 'int' => -7, 'max' => PHP_INT_MAX, 'min' => PHP_INT_MIN,
    'float' => 1.0, 'minus zero' => -0.0, 'tenth' => 0.1, 'inf' => INF, 'tiny' => 5e-324,
    'empty text' => '', 'text' => $text, 'digits' => '007',
    'empty list' => [], 'list' => [1, [2, [3, null]], 'x'],
    'map' => ['a' => 1, 'b' => ['c' => 2.0]], 'mixed keys' => ['x' => 1, 5 => 2, -3 => 3],
    'holes' => [1 => 'a', 0 => 'b'], 'big key' => ['9223372036854775808' => 1, '-9223372036854775808' => 2, '05' => 3, '-0' => 4],
    'empty map' => new stdClass, 'list as map' => (object) ['a', 'b'],
    'bytes' => new Bytes("\x00\xff"), 'no bytes' => new Bytes(''),
    'time' => new Timestamp(1_251_082_000_250_000_001), 'before 1970' => new Timestamp(-1),
    'uint' => new BigInt('18446744073709551615'), 'big' => new BigInt('-' . str_repeat('9', 60)),
    'decimal' => new Decimal('1.10'), 'uuid' => new Uuid('01234567-89ab-cdef-0123-456789abcdef'),
    'array' => NdArray::fromArray([[1, 2, 3], [4, 5, 6]], 'i16'),
    'escape-like' => ['$bytes' => 'AA=='], 'dollar' => ['$a' => 1, 'b' => 2], 'slash' => ['a/b~c' => ['d' => 1]],
];
$encodings = [Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile];
$same = 0;
foreach ($values as $name => $value) {
    foreach ($encodings as $from) {
        $bytes = encode($value, $from);
        $back = decode($bytes, $from);
        // Two different floats can be ==, and two equal objects are never ===: compare the output of var_export.
        if (var_export($back, true) !== var_export($value, true) || get_debug_type($back) !== get_debug_type($value)) {
            echo "$name through {$from->value}: ", var_export($back, true), "\n";
        }
        foreach ($encodings as $to) {
            if (var_export(decode(transcode($bytes, $from, $to), $to), true) !== var_export($value, true)) {
                echo "$name from {$from->value} to {$to->value}\n";
            }
            $same++;
        }
    }
}
echo "$same round trips\n";
var_dump(is_nan(decode(encode(NAN))));

echo "--- what becomes something else\n";
var_dump(decode(encode(Colour::Red)), decode(encode(Level::High)), decode(encode(Encoding::Bson)));
var_dump((string) decode(encode(new DateTimeImmutable('2026-03-01T12:00:00.25+01:00'))));
var_dump((string) decode(encode(new DateTime('1969-12-31T23:59:59.999999Z'))));
var_dump(decode(encode(new BigInt('5'))));
$a = [1]; $r = &$a[0];
var_dump(decode(encode($a)) === [1]);
var_dump(encode(['b' => 1, 'a' => 2], Encoding::Json), encode(1.0, Encoding::Json), encode((object) [], Encoding::Json));
var_dump(encode(new Bytes("\xff\x00"), Encoding::Raw) === "\xff\x00");
?>
--EXPECT--
560 round trips
bool(true)
--- what becomes something else
string(3) "red"
int(3)
string(4) "bson"
string(24) "2026-03-01T11:00:00.250Z"
string(27) "1969-12-31T23:59:59.999999Z"
int(5)
bool(true)
string(13) "{"b":1,"a":2}"
string(3) "1.0"
string(2) "{}"
bool(true)
