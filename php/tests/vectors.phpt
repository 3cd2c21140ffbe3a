--TEST--
The shared vectors: every value in four encodings, other forms that are accepted, bytes that are refused
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{Encoding, LinkspanException};
use function Linkspan\{decode, encode, transcode};

function cases(string $file): array
{
    return json_decode(file_get_contents(dirname(getenv('LINKSPAN_TESTS'), 2) . "/tests/vectors/$file"), true, 512, JSON_THROW_ON_ERROR);
}

$encodings = ['json' => Encoding::Json, 'cbor' => Encoding::Cbor, 'bson' => Encoding::Bson, 'smile' => Encoding::Smile];
$values = cases('values.json');
foreach ($values as $case) {
    ['name' => $name, 'json' => $json] = $case;
    $bytes = ['json' => $json] + array_map('hex2bin', array_diff_key(array_intersect_key($case, $encodings), ['json' => 1]));
    foreach ($encodings as $from => $encoding) {
        try {
            // The PHP value must be complete: encoding it again gives the same bytes.
            $value = decode($bytes[$from], $encoding);
            foreach ($encodings as $to => $other) {
                if (encode($value, $other) !== $bytes[$to]) echo "$name from $from: encoded as $to it differs\n";
                if (transcode($bytes[$from], $encoding, $other) !== $bytes[$to]) echo "$name: $from to $to differs\n";
            }
        } catch (LinkspanException $e) {
            echo "$name in $from: {$e->getMessage()}\n";
        }
    }
}
foreach ($accepted = cases('accepted.json') as $case) {
    $value = decode(hex2bin($case['hex']), Encoding::from($case['encoding']));
    if (encode($value) !== encode(decode($case['json'], Encoding::Json))) echo "{$case['why']}: ", encode($value, Encoding::Json), "\n";
}
foreach ($invalid = cases('invalid.json') as $case) {
    try {
        decode(hex2bin($case['hex']), Encoding::from($case['encoding']));
        echo "{$case['why']}: accepted\n";
    } catch (LinkspanException $e) {
        $error = [$e->getKind(), $e->getCode(), $e->getOffset(), $e->getPath()];
        if ($error !== [$case['kind'], $case['code'], $case['offset'], $case['path']]) {
            echo "{$case['encoding']} {$case['hex']} ({$case['why']}): ", json_encode($error), "\n";
        }
    }
}
echo count($values) >= 80 && count($accepted) > 0 && count($invalid) > 0 ? "all of them\n" : "hardly any\n";
?>
--EXPECT--
all of them
