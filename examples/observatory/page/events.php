<?php
/** Streams the messages of the four programs from the gateway to one page, as server-sent events. */
declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\SchemaMismatchException;
use function Linkspan\{decode, latest, schema};

require __DIR__ . '/access.php';

const STREAM_SECONDS = 20.0; // then the browser reconnects with Last-Event-ID, so that no stream occupies a PHP worker for long
const SILENT_SECONDS = 1.5;  // a silent program is missing after this time; every program sends at least twice a second
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

/** Calls the Fortran program. Returns null if it does not answer; its silence then shows it as missing. */
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

/** Returns the unit and the range of each field by its name; $type is from a publisher's schema. */
function axes(array $type): array
{
    $axes = [];
    foreach ($type['fields'] ?? [] as ['name' => $name, 'type' => $of]) {
        $axes += isset($of['fields']) ? axes($of) : [$name => ['unit' => $of['unit'] ?? null, 'range' => $of['range'] ?? null]];
    }
    return $axes;
}

/** Returns the units and ranges of a program's messages; nothing if it has no schema or has ended. */
function axes_of(string $part): array
{
    try {
        return axes(schema(TOPICS[$part])['type']);
    } catch (LinkspanException) {
        return [];
    }
}

/** Follows all names at the gateway, as server-sent events; null if it does not answer. */
function follow_gateway(): mixed
{
    $token = @file_get_contents((string) getenv('GATEWAY_TOKEN_FILE'));
    if ($token === false) {
        return null; // the gateway has never run: it is being compiled
    }
    // PHP would collect the chunks of an answer; HTTP/1.0 does not use chunks.
    $http = ['header' => 'Authorization: Bearer ' . trim($token), 'protocol_version' => 1.0, 'timeout' => 2.0];
    $stream = @fopen(getenv('GATEWAY') . '/api/events?name=observatory/*', 'r', false, stream_context_create(['http' => $http]));
    if ($stream === false) {
        return null;
    }
    stream_set_blocking($stream, false);
    return $stream;
}

/** Removes the complete events from the received text, and returns their messages. */
function take_messages(string &$text): array
{
    $messages = [];
    while (($end = strpos($text, "\n\n")) !== false) {
        if (preg_match('/^event: message$/m', $event = substr($text, 0, $end)) && preg_match('/^data: (.*)$/m', $event, $data)) {
            $messages[] = decode($data[1], 'json');
        }
        $text = substr($text, $end + 2);
    }
    return $messages;
}

/** Returns true for a program with a compatible schema, the reason for another, null for an ended program. */
function fits(string $part): bool|string|null
{
    try {
        latest(TOPICS[$part], schema: __DIR__ . '/../schemas/' . SCHEMAS[$part] . '.schema.toml', timeout: 0.5);
        return true;
    } catch (SchemaMismatchException $mismatch) {
        return $mismatch->getMessage(); // it names the field and both units
    } catch (LinkspanException) {
        return null;
    }
}

$window = (int) ($_GET['window'] ?? 512);
$until = (int) ($_SERVER['HTTP_LAST_EVENT_ID'] ?? $_GET['since'] ?? 0);
$begin = microtime(true);
$received = array_fill_keys(array_keys(TOPICS), 0.0);
$parts = array_flip(TOPICS);
$shown = $fits = []; // by part; fits by part and schema
$answers = null;     // the page's state of the gateway
$gateway = null;
$text = '';
$nextSpectrum = $begin + 0.3;
$written = $begin;

echo "retry: 250\n\n";
// The waveform has 100 samples a second. The request adds ten samples to the missed ones; the page skips known
// samples.
$missed = min(HISTORY, (int) ceil(($begin * 1000 - $until) / 10) + 10);
$recent = call_spectrum(['op' => 'recent', 'samples' => $missed]);
if ($recent !== null && $recent['on'] !== []) {
    $until = max($until, $recent['at'] + 10 * count($recent['on']));
    emit(['waveform' => [$recent], 'triggers' => [$recent]], $until);
}
$graceEnd = INF; // until then, a silent program is not shown as missing

while (($now = microtime(true)) < $begin + STREAM_SECONDS && !connection_aborted()) {
    $event = [];
    $gateway ??= follow_gateway();
    if ($answers !== ($gateway !== null)) {
        $event['gateway'] = $answers = $gateway !== null;
        $shown = []; // without the gateway the states of the programs are unknown
        $graceEnd = $answers ? $now + SILENT_SECONDS : INF;
    }
    if ($gateway !== null) {
        $text .= stream_get_contents($gateway);
        if (feof($gateway)) {
            [$gateway, $text] = [null, ''];
            continue;
        }
    }
    foreach (take_messages($text) as $message) {
        $part = $parts[$message['name']] ?? null;
        if ($part === null) {
            continue;
        }
        $state = $fits[$part][$message['schema'] ?? ''] ??= fits($part);
        $received[$part] = $state === null ? $received[$part] : $now;
        if ($state !== null && ($shown[$part] ?? null) !== $state) {
            $event['parts'][$part] = $shown[$part] = $state;
            if ($state === true && in_array($part, ['sensors', 'seismogram'], true)) {
                $event['axes'] = ($event['axes'] ?? []) + axes_of($part);
            }
        }
        $value = $state === true ? to_json_value($message['value']) : null;
        match ($value === null ? null : $part) {
            null => null,
            'seismogram' => [$event['waveform'][] = $value, $until = $value['at'] + 100],
            'spectrum' => $event['triggers'][] = $value,
            default => $event[$part] = $value,
        };
    }
    foreach ($received as $part => $at) {
        if ($now > $graceEnd && $now - $at >= SILENT_SECONDS && ($shown[$part] ?? null) !== false) {
            $event['parts'][$part] = $shown[$part] = false;
        }
    }
    if ($now >= $nextSpectrum && ($shown['spectrum'] ?? false) === true) {
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
    // Waits for a message or the next action: a spectrum, a silent program, a comment that tests the connection.
    $due = min(($shown['spectrum'] ?? false) === true ? $nextSpectrum : INF, $written + 1, $begin + STREAM_SECONDS, $now + SILENT_SECONDS / 3);
    $wait = (int) (1e6 * max(0.001, $due - microtime(true)));
    if ($gateway === null) {
        usleep($wait);
        continue;
    }
    [$readable, $none] = [[$gateway], null];
    stream_select($readable, $none, $none, intdiv($wait, 1_000_000), $wait % 1_000_000);
}
