--TEST--
Instances of classes that describe themselves, whose values contain no others, become the same CBOR as an object of their properties
--EXTENSIONS--
linkspan
--FILE--
<?php
eval(file_get_contents(getenv('LINKSPAN_TESTS') . '/fails.inc'));

final class One
{
    public const LINKSPAN_FIELDS = ['value' => [['key'], 'any']];
    public function __construct(public readonly mixed $value) {}
}
final class Pair
{
    public const LINKSPAN_FIELDS = ['first' => [['first', 'older'], 'any'], 'second' => [['second'], 'text', true]];
    public mixed $first;
    public ?string $second;
}
// The first call looks the class up; the second object reuses the last class.
$checked = function (object $instance, array $entries): void {
    $expected = Linkspan\encode((object) $entries);
    foreach (range(1, 3) as $_) {
        if (Linkspan\encode($instance) !== $expected) {
            echo 'other bytes: ', var_export($entries, true), "\n";
        }
    }
};

$flat = [
    null, true, false, 0, 23, 24, -1, -25, PHP_INT_MAX, PHP_INT_MIN, 0.0, -0.0, 1e308, INF, '', 'boiler-7', str_repeat('é', 300), "\0",
    new Linkspan\Timestamp(0), new Linkspan\Timestamp(-1), new Linkspan\Timestamp(PHP_INT_MAX), new Linkspan\Bytes(''), new Linkspan\Bytes(str_repeat("\xff", 70_000)),
];
$walked = [[], [1], ['x' => 1], new Linkspan\BigInt('18446744073709551615'), new Linkspan\Uuid('00000000-0000-0000-0000-000000000007'), new One(7), (object) []];
foreach ([...$flat, ...$walked, ...$flat] as $value) {
    $checked(new One($value), ['key' => $value]);
}

// Numbers of entries around the limit of a one-byte head: longer maps are walked.
foreach ([1, 22, 23, 24, 25] as $count) {
    $rows = implode(', ', array_map(fn ($i) => "'p$i' => [['k$i'], 'i64']", range(1, $count)));
    $properties = implode(' ', array_map(fn ($i) => "public int \$p$i = $i;", range(1, $count)));
    eval("final class Many$count { public const LINKSPAN_FIELDS = [$rows]; $properties }");
    $checked(new ("Many$count"), array_combine(array_map(fn ($i) => "k$i", range(1, $count)), range(1, $count)));
}

// Null of an optional property is left out. A reference is followed. An unset property is refused, and sent after it
// is set.
$pair = new Pair();
$pair->first = 'x';
$pair->second = null;
$checked($pair, ['first' => 'x']);
$other = 2.5;
$pair->first = &$other;
$pair->second = 'y';
$checked($pair, ['first' => 2.5, 'second' => 'y']);
$unset = new Pair();
$unset->second = null;
fails(fn () => Linkspan\encode($unset));
$checked($pair, ['first' => 2.5, 'second' => 'y']);
fails(fn () => Linkspan\encode(new One("\xff")));
fails(fn () => Linkspan\encode(new One("\xff")));
$checked(new One('text'), ['key' => 'text']);
echo "done\n";
?>
--EXPECT--
InvalidState at first
Unsupported at key
Unsupported at key
done
