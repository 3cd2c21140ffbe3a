<?php
/** The stream to one page: what the four programs publish, as server-sent events, twenty seconds at a time. */
declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\SchemaMismatchException;
use function Linkspan\{schema, subscribe};

require __DIR__ . '/ours.php';

const STREAM_SECONDS = 20.0; // then the browser asks again, with Last-Event-ID: no worker of PHP is held for long
const SILENT_SECONDS = 1.5;  // a program that sends nothing for so long is missing; each sends twice a second or more
const HISTORY = 2000;        // samples that a new page is given at once
const TOPICS = [
    'seismogram' => 'observatory/waveform',
    'spectrum' => 'observatory/triggers',
    'sensors' => 'observatory/sensors',
    'statistics' => 'observatory/statistics',
];
const SCHEMAS = ['seismogram' => 'waveform', 'spectrum' => 'triggers', 'sensors' => 'sensors', 'statistics' => 'statistics'];

ini_set('serialize_precision', '7'); // of what is drawn, seven digits are enough
header('Content-Type: text/event-stream');
header('Cache-Control: no-store');
header('X-Accel-Buffering: no');
while (ob_get_level() > 0) {
    ob_end_flush();
}

/** The value as JSON, with instants in whole milliseconds. */
function plain(mixed $value): mixed
{
    return match (true) {
        $value instanceof Linkspan\Timestamp => intdiv($value->nanoseconds, 1_000_000),
        $value instanceof Linkspan\NdArray => $value->toArray(),
        is_array($value) => array_map(plain(...), $value),
        default => $value,
    };
}

/** Sends one event; its id is the instant up to which the page has the waveform. */
function emit(array $event, int $until): void
{
    echo "id: $until\ndata: ", json_encode($event, JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR), "\n\n";
    flush();
}

/** Calls the Fortran program, or returns null: it is shown as missing because it publishes nothing. */
function ask(array $question): ?array
{
    static $channel = null;
    try {
        $channel ??= Channel::connect('observatory/spectrum', timeout: 0.2);
        return plain($channel->call($question, timeout: 0.5)->value);
    } catch (LinkspanException) {
        $channel = null;
        return null;
    }
}

/** Units and ranges by the names of the fields, from the schema that a program gave for what it publishes. */
function axes(array $type): array
{
    $axes = [];
    foreach ($type['fields'] ?? [] as ['name' => $name, 'type' => $of]) {
        $axes += isset($of['fields']) ? axes($of) : [$name => ['unit' => $of['unit'] ?? null, 'range' => $of['range'] ?? null]];
    }
    return $axes;
}

/** The same of a part; none where it gave no schema, or has gone meanwhile. */
function axes_of(string $part): array
{
    try {
        return axes(schema(TOPICS[$part])['type']);
    } catch (LinkspanException) {
        return [];
    }
}

$window = (int) ($_GET['window'] ?? 512);
$until = (int) ($_SERVER['HTTP_LAST_EVENT_ID'] ?? $_GET['since'] ?? 0);
// The schemas that this page was written for: what does not fit them is refused before its first value.
$subscribers = [];
foreach (TOPICS as $part => $topic) {
    $subscribers[$part] = subscribe($topic, schema: __DIR__ . '/../schemas/' . SCHEMAS[$part] . '.schema.toml');
}
$begin = microtime(true);
$received = array_fill_keys(array_keys(TOPICS), 0.0);
$shown = [];
$nextSpectrum = $begin + 0.3;
$written = $begin;

echo "retry: 250\n\n";
// The waveform has 100 samples a second. Some too many: the page leaves out what it has already.
$missed = min(HISTORY, (int) ceil(($begin * 1000 - $until) / 10) + 10);
$past = ask(['op' => 'recent', 'samples' => $missed]);
if ($past !== null && $past['on'] !== []) {
    $until = max($until, $past['at'] + 10 * count($past['on']));
    emit(['waveform' => [$past], 'triggers' => [$past]], $until);
}
$patient = microtime(true) + SILENT_SECONDS; // until then, a program without a message is not missing yet

while (($now = microtime(true)) < $begin + STREAM_SECONDS && !connection_aborted()) {
    $event = [];
    foreach ($subscribers as $part => $subscriber) {
        $refused = null;
        try {
            while ($subscriber->poll()) {
                $value = plain($subscriber->tryRecv()->value);
                $received[$part] = $now;
                match ($part) {
                    'seismogram' => [$event['waveform'][] = $value, $until = $value['at'] + 100],
                    'spectrum' => $event['triggers'][] = $value,
                    default => $event[$part] = $value,
                };
            }
        } catch (SchemaMismatchException $mismatch) {
            $refused = $mismatch->getMessage(); // it says which field has which unit there and here
        } catch (LinkspanException) {
            // Overtaken or cut off: the subscriber reconnects by itself, and the page shows silence.
        }
        $state = $refused ?? ($now - $received[$part] < SILENT_SECONDS);
        if (($shown[$part] ?? null) !== $state && ($state !== false || $now > $patient)) {
            $event['parts'][$part] = $shown[$part] = $state;
            if ($state === true && in_array($part, ['sensors', 'seismogram'], true)) {
                $event['axes'] = ($event['axes'] ?? []) + axes_of($part);
            }
        }
    }
    if ($now >= $nextSpectrum && ($shown['spectrum'] ?? false)) {
        $event['spectrum'] = ask(['op' => 'spectrum', 'window' => $window]);
        $nextSpectrum = $now + 1;
    }
    if ($event !== []) {
        emit($event, $until);
        $written = $now;
    } elseif ($now - $written > 1) { // a page that has gone is noticed only by writing to it
        echo ":\n\n";
        flush();
        $written = $now;
    }
    usleep(50_000);
}
