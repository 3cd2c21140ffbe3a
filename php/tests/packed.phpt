--TEST--
Packed records of classes with plans, as generated ones have: packed and unpacked directly, refused where class and bytes differ
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BigInt, Bytes, NdArray, Timestamp, Uuid};
use function Linkspan\{pack_instance, unpack_instance};

eval(file_get_contents(getenv('LINKSPAN_TESTS') . '/fails.inc'));

enum Mode: string { case On = 'ON'; case Off = 'OFF'; }
final class Point
{
    public const LINKSPAN_PACKED = ['x' => [0, 'f32'], 'y' => [8, 'f64']];
    public function __construct(public readonly float $x, public readonly float $y) {}
}
final class State
{
    public const SIZE = 88;
    public const LINKSPAN_PACKED = [
        'ok' => [0, 'bool'], 'small' => [2, 'i16'], 'mode' => [4, ['enum', Mode::class]], 'at' => [8, 'timestamp'], 'large' => [16, 'u64'],
        'first' => [24, ['class', Point::class]], 'second' => [40, ['class', Point::class]], 'id' => [56, 'uuid'],
        'wave' => [72, ['ndarray', 'i16', [2, 3], 'column']], 'truths' => [84, ['ndarray', 'bool', [3], null]],
    ];
    public function __construct(
        public readonly bool $ok, public readonly int $small, public readonly Mode $mode, public readonly Timestamp $at,
        public readonly int|BigInt $large, public readonly Point $first, public readonly Point $second, public readonly Uuid $id,
        public readonly NdArray $wave, public readonly NdArray $truths,
    ) {}
}
$fields = [
    'ok' => true, 'small' => -2, 'mode' => Mode::Off, 'at' => new Timestamp(-1), 'large' => new BigInt('18446744073709551615'),
    'first' => new Point(1.5, -0.5), 'second' => new Point(INF, M_PI), 'id' => Uuid::fromBytes(implode(array_map(chr(...), range(1, 16)))),
    'wave' => new NdArray('i16', [2, 3], pack('v6', 1, 2, 3, 4, 5, 6), 'column'), 'truths' => new NdArray('bool', [3], "\1\0\1"),
];
$state = new State(...$fields);
$block = pack('Cxvx0Cx3PPgx4egx4e', 1, 0xFFFE, 1, -1, -1, 1.5, -0.5, INF, M_PI) . $fields['id']->toBytes() . pack('v6', 1, 2, 3, 4, 5, 6) . "\1\0\1\0";
var_dump(pack_instance($state) === $block, unpack_instance(State::class, $block) == $state, unpack_instance('State', new Bytes($block)) == $state);
var_dump(unpack_instance(State::class, $block)->mode === Mode::Off, unpack_instance(State::class, substr_replace($block, str_repeat("\0", 8), 16, 8))->large);
// It is read-only, like an instance from its constructor. The bytes between the fields are ignored.
try { unpack_instance(State::class, $block)->small = 8; } catch (Error $e) { echo $e->getMessage(), "\n"; }
var_dump(pack_instance(unpack_instance(State::class, substr_replace($block, 'x', 1, 1))) === $block);

// The class reports values that do not fit.
$others = [
    ['small' => 32768], ['small' => -32769], ['large' => -1], ['large' => new BigInt('18446744073709551616')], ['first' => new Point(1e39, 0.0)],
    ['wave' => new NdArray('i16', [2, 3], str_repeat("\0", 12))], ['wave' => new NdArray('i16', [3, 2], str_repeat("\0", 12), 'column')],
    ['truths' => new NdArray('u8', [3], "\0\0\0")],
];
foreach ($others as $changed) {
    var_dump(pack_instance(new State(...[...$fields, ...$changed])));
}
foreach ([[0, "\2"], [4, "\2"], [86, "\xFF"]] as [$at, $byte]) {
    var_dump(unpack_instance(State::class, substr_replace($block, $byte, $at, 1)));
}
foreach ([substr($block, 1), "$block\0", '', 7, null, [$block], $state] as $other) {
    var_dump(unpack_instance(State::class, $other));
}
var_dump(pack_instance((new ReflectionClass(State::class))->newInstanceWithoutConstructor()));

// Classes without constants, and classes with invalid ones.
final class Silent { public int $x = 0; }
final class Sized { public const SIZE = 8; public int $x = 0; }
final class Beyond { public const SIZE = 8; public const LINKSPAN_PACKED = ['x' => [4, 'i64']]; public int $x = 0; }
final class Nameless { public const SIZE = 8; public const LINKSPAN_PACKED = ['y' => [0, 'i64']]; public int $x = 0; }
final class Typeless { public const SIZE = 8; public const LINKSPAN_PACKED = ['x' => [0, 'text']]; public int $x = 0; }
final class Otherwise { public const SIZE = 8; public const LINKSPAN_PACKED = ['x' => [0, 'f64']]; public readonly string $x; }
foreach ([Silent::class, Sized::class, Beyond::class, Nameless::class, Typeless::class, 'Nowhere'] as $class) {
    fails(fn () => unpack_instance($class, str_repeat("\0", 8)));
}
fails(fn () => pack_instance(new Silent()));
try { unpack_instance(Otherwise::class, str_repeat("\0", 8)); } catch (TypeError $e) { echo $e->getMessage(), "\n"; }

// Names at reused addresses are not confused.
foreach ([['Poi', 'nt'], ['Sta', 'te'], ['Poi', 'nt']] as [$a, $b]) {
    try { echo get_debug_type(unpack_instance($a . $b, $block)), "\n"; } catch (Linkspan\LinkspanException $e) { echo $e::class, "\n"; }
}
gc_collect_cycles();
$before = memory_get_usage();
for ($i = 0; $i < 1000; $i++) {
    unpack_instance(State::class, pack_instance($state));
    pack_instance(new State(...[...$fields, 'small' => 99_999]));
}
var_dump(memory_get_usage() - $before < 4096);
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
int(0)
Cannot modify readonly property State::$small
bool(true)
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
Cannot assign float to property Otherwise::$x of type string
Linkspan\WrongTypeException
State
Linkspan\WrongTypeException
bool(true)
