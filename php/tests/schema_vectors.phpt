--TEST--
The vectors of schemas: texts that are read or refused, schemas that fit or differ, values that are sent or refused
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Encoding, LinkspanException, Publisher};
use function Linkspan\{decode, subscribe};

runtime_directory();
const AT = 'unix:lab/schemas';

function cases(string $file): array
{
    return json_decode(file_get_contents(dirname(getenv('LINKSPAN_TESTS'), 2) . "/tests/vectors/$file"), true, 512, JSON_THROW_ON_ERROR);
}

/** Checks that the call ends with the code, the text and the path of this case. */
function expect(array $case, callable $call): void
{
    try {
        $call();
        if (isset($case['code'])) echo "it did not fail: ", $case['text'], "\n";
    } catch (LinkspanException $e) {
        $right = $e->getCode() === ($case['code'] ?? 0) && str_contains($e->getMessage(), $case['text'])
            && ($case['path'] ?? '') === (isset($case['path']) ? $e->getPath() ?? '' : '');
        if (!$right) echo json_encode($case), ': ', $e->getKind(), ' ', $e->getMessage(), "\n";
    }
}

foreach ($texts = cases('schema_texts.json') as $case) {
    expect($case, fn () => (new Publisher(AT, schema: $case['toml']))->close());
}
foreach ($pairs = cases('schema_pairs.json') as $case) {
    if ($case['differences']) $case += ['code' => 117, 'text' => $case['differences'][0]];
    $out = new Publisher(AT, schema: $case['writer']);
    $out->send([]);
    expect($case, fn () => subscribe(AT, schema: $case['reader'])->recv(20));
    $out->close();
}
foreach ($values = cases('schema_values.json') as $case) {
    $out = new Publisher(AT, schema: $case['schema'], validate: 'send');
    expect($case, fn () => $out->send(decode($case['json'], Encoding::Json)));
    $out->close();
}
echo count($texts) > 50 && count($pairs) > 50 && count($values) > 25 ? 'all' : 'too few', "\n";
?>
--EXPECT--
all
