<?php
/** Streams the messages of the four programs to one page as server-sent events. */
declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\SchemaMismatchException;
use function Linkspan\{schema, subscribe};

require __DIR__ . '/access.php';

const STREAM_SECONDS = 20.0; // then the browser reconnects with Last-Event-ID, so that no stream occupies a PHP worker for long
const SILENT_SECONDS = 1.5;  // a program that sends nothing for this long is missing; every program sends at least twice a second
const HISTORY = 2000;        // the most samples that a new page receives at once
const TOPICS = [
    'seismogram' => 'observatory/waveform',
    'spectrum' => 'observatory/triggers',
    'sensors' => 'observatory/sensors',
    'statistics' => 'observatory/statistics',
];
const SCHEMAS = ['seismogram' => 'waveform', 'spectrum' => 'triggers', 'sensors' => 'sensors', 'statistics' => 'statistics'];

ini_set('serialize_precision', '7'); // seven digits are enough for the plots
header('Content-Type: text/event-stream');
header('Cache-Control: no-store');
header('X-Accel-Buffering: no');
while (ob_get_level() > 0) {
    ob_end_flush();
}

/** Converts a value for json_encode: timestamps to whole milliseconds, arrays to lists. */
function to_json_value(mixed $value): mixed
{
    return match (true) {
        $value instanceof Linkspan\Timestamp => intdiv($value->nanoseconds, 1_000_000),
        $value instanceof Linkspan\NdArray => $value->toArray(),
        is_array($value) => array_map(to_json_value(...), $value),
        default => $value,
    };
}

/** Sends one event. Its id is the end of the waveform that the page has received, in milliseconds since 1970. */
function emit(array $event, int $until): void
{
    echo "id: $until\ndata: ", json_encode($event, JSON_THROW_ON_ERROR | JSON_PARTIAL_OUTPUT_ON_ERROR), "\n\n";
    flush();
}

/** Calls the Fortran program. Returns null if it does not answer; the page shows it as missing because it publishes nothing either. */
function call_spectrum(array $request): ?array
{
    static $channel = null;
    try {
        $channel ??= Channel::connect('observatory/spectrum', timeout: 0.2);
        return to_json_value($channel->call($request, timeout: 0.5)->value);
    } catch (LinkspanException) {
        $channel = null;
        return null;
    }
}

/** Returns the unit and the range of each field by its name; $type is the type of a publisher's schema. */
function axes(array $type): array
{
    $axes = [];
    foreach ($type['fields'] ?? [] as ['name' => $name, 'type' => $of]) {
        $axes += isset($of['fields']) ? axes($of) : [$name => ['unit' => $of['unit'] ?? null, 'range' => $of['range'] ?? null]];
    }
    return $axes;
}

/** Returns the units and ranges of a program's messages; nothing if it declared no schema or has ended. */
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
// These are the schemas that the page expects: a publisher with an incompatible one is refused before its first value.
$subscribers = [];
foreach (TOPICS as $part => $topic) {
    $subscribers[$part] = subscribe($topic, schema: __DIR__ . '/../schemas/' . SCHEMAS[$part] . '.schema.toml');
}
// A message of any of them ends a wait: nothing is asked for again and again.
$any = subscribe('observatory/*');
$begin = microtime(true);
$received = array_fill_keys(array_keys(TOPICS), 0.0);
$shown = [];
$nextSpectrum = $begin + 0.3;
$written = $begin;

echo "retry: 250\n\n";
// The waveform has 100 samples a second. The request is for ten more than the page missed; the page skips those that it has.
$missed = min(HISTORY, (int) ceil(($begin * 1000 - $until) / 10) + 10);
$recent = call_spectrum(['op' => 'recent', 'samples' => $missed]);
if ($recent !== null && $recent['on'] !== []) {
    $until = max($until, $recent['at'] + 10 * count($recent['on']));
    emit(['waveform' => [$recent], 'triggers' => [$recent]], $until);
}
$graceEnd = microtime(true) + SILENT_SECONDS; // until then, a program that has sent nothing is not shown as missing

while (($now = microtime(true)) < $begin + STREAM_SECONDS && !connection_aborted()) {
    $event = [];
    foreach ($subscribers as $part => $subscriber) {
        $refused = null;
        try {
            while ($subscriber->poll()) {
                $value = to_json_value($subscriber->tryRecv()->value);
                $received[$part] = $now;
                match ($part) {
                    'seismogram' => [$event['waveform'][] = $value, $until = $value['at'] + 100],
                    'spectrum' => $event['triggers'][] = $value,
                    default => $event[$part] = $value,
                };
            }
        } catch (SchemaMismatchException $mismatch) {
            $refused = $mismatch->getMessage(); // it names the field and both units
        } catch (LinkspanException) {
            // The subscriber lagged or was disconnected: it reconnects by itself, and the page shows the program as missing meanwhile.
        }
        $state = $refused ?? ($now - $received[$part] < SILENT_SECONDS);
        if (($shown[$part] ?? null) !== $state && ($state !== false || $now > $graceEnd)) {
            $event['parts'][$part] = $shown[$part] = $state;
            if ($state === true && in_array($part, ['sensors', 'seismogram'], true)) {
                $event['axes'] = ($event['axes'] ?? []) + axes_of($part);
            }
        }
    }
    if ($now >= $nextSpectrum && ($shown['spectrum'] ?? false)) {
        $event['spectrum'] = call_spectrum(['op' => 'spectrum', 'window' => $window]);
        $nextSpectrum = $now + 1;
    }
    if ($event !== []) {
        emit($event, $until);
        $written = $now;
    } elseif ($now - $written > 1) { // PHP detects a closed connection only when it writes
        echo ":\n\n";
        flush();
        $written = $now;
    }
    // Until a message comes, or something is due: a spectrum, a program that has been silent for too long, a comment that shows whether the page is still there.
    $due = min(($shown['spectrum'] ?? false) ? $nextSpectrum : INF, $written + 1, $begin + STREAM_SECONDS, $now + SILENT_SECONDS / 3);
    try {
        $any->recv(max(0.001, $due - microtime(true)));
        while ($any->poll()) {
            $any->tryRecv();
        }
    } catch (LinkspanException) {
        // The time is over, or it was overtaken: what there is comes next.
    }
}
