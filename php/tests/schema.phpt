--TEST--
Schemas: a subscriber and a client with another unit get the differences, compatible versions exchange messages, values are checked
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Publisher, SchemaMismatchException, WrongTypeException};
use function Linkspan\{connect, latest, reply_schema, schema, serve, subscribe};

runtime_directory();
const WATTS = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n";
$kilowatts = str_replace('"W"', '"kW"', WATTS);
$newer = WATTS . "[fields.phase]\ntype = \"u8\"\ndefault = 1\n";
foreach (['unix:lab/power', 'shm:lab/power'] as $endpoint) {
    $out = new Publisher($endpoint, schema: WATTS, validate: 'both');
    $out->send(['watts' => 230.5]);
    echo json_encode(schema($endpoint)['type']), "\n";
    try {
        subscribe($endpoint, schema: $kilowatts)->recv(20);
        echo "it did not fail\n";
    } catch (SchemaMismatchException $e) {
        echo $e->getCode(), ' ', $e->getKind(), ' ', strstr($e->getMessage(), 'watts:'), "\n";
    }
    foreach ($out->events() as $event) if ($event->kind === 'schema_mismatch') echo $event->kind, ' ', strstr($event->text, 'watts:'), "\n";
    echo subscribe($endpoint, schema: $newer, validate: 'receive')->recv(20)['watts'], "\n";
    echo latest($endpoint)['watts'], "\n";
    try {
        $out->send(['watts' => 'much']);
        echo "it did not fail\n";
    } catch (WrongTypeException $e) {
        echo $e->getPath(), ' ', strstr($e->getMessage(), 'f64'), "\n";
    }
    $out->close();
}
$level = "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"m\"\n";
$server = serve('unix:lab/tank', schema: WATTS, reply_schema: $level);
echo reply_schema('unix:lab/tank')['type']['fields'][0]['type']['unit'], "\n";
fails(fn () => connect('unix:lab/tank', schema: WATTS, reply_schema: str_replace('"m"', '"cm"', $level), timeout: 60));
$server->close();
foreach ([WATTS, $newer] as $schema) {
    $log = new Publisher('journal:lab/power', schema: $schema);
    $log->send(['watts' => 1.0]);
    $log->close();
}
$reader = subscribe('journal:lab/power', schema: $newer, from: 'first');
foreach ([1, 2] as $_) echo count(schema('journal:lab/power', $reader->recv(20))['type']['fields']), "\n";
fails(fn () => schema('unix:lab/nobody'));
fails(fn () => new Publisher('unix:lab/power', schema: '/nowhere/power.toml'));
fails(fn () => new Publisher('unix:lab/power', validate: 'send'));
?>
--EXPECT--
{"kind":"record","fields":[{"name":"watts","type":{"kind":"f64","unit":"W"}}]}
117 SchemaMismatch watts: the unit is W there and kW here: 1 W is 0.001 kW
schema_mismatch watts: the unit is W here and kW there: 1 W is 0.001 kW
230.5
230.5
watts f64 in W is expected, text was found, at path watts
{"kind":"record","fields":[{"name":"watts","type":{"kind":"f64","unit":"W"}}]}
117 SchemaMismatch watts: the unit is W there and kW here: 1 W is 0.001 kW
schema_mismatch watts: the unit is W here and kW there: 1 W is 0.001 kW
230.5
230.5
watts f64 in W is expected, text was found, at path watts
m
SchemaMismatch
1
2
NotFound
NotFound at schema
Unsupported at validate
