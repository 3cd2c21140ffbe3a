--TEST--
A watch returns what happens to services: records, data, log, removal; it ends at close and times out
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
use Linkspan\{Controller, State, Timestamp, Watch};
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/services.inc';

/** Takes events until one of this kind passes the test; keeps the log entries meanwhile. */
function event(Watch $watch, string $what, callable $is): array
{
    do {
        $event = $watch->next(timeout: 60);
        if ($event['what'] === 'log') $GLOBALS['logged'][] = $event['entry']['text'];
    } while ($event['what'] !== $what || !$is($event));
    return $event;
}

runtime_directory();
$program = controller();
$controller = new Controller(timeout: 60);
$all = $controller->watch();
$data = $controller->watch(services: ['power'], data_every: 0.05, timeout: 60);
fails(fn () => $controller->watch(services: ['power', 7]));
fails(fn () => $controller->watch(data_every: -1.0));
fails(fn () => $controller->watch(['nobody'])->next(timeout: 0.1));

$power = service('power');
$other = service('other', 'paused');
$states = [];
event($all, 'service', function ($e) use (&$states) {
    $states[$e['service']['name']] = $e['service']['state'];
    return ($states['power'] ?? '') === 'RUNNING' && ($states['other'] ?? '') === 'READY';
});
ksort($states);
echo json_encode($states), "\n";

// Changed data, only of the watched service.
$last = -1;
$seen = 0;
foreach ($data as $number => $event) {
    if ($event['what'] === 'service' && $event['service']['name'] !== 'power') echo "not asked for\n";
    if ($event['what'] !== 'data') continue;
    if ($event['name'] !== 'power' || !$event['at'] instanceof Timestamp || $event['value']['rows'] <= $last) echo json_encode($event), "\n";
    $last = $event['value']['rows'];
    if (++$seen === 3) break;
}
echo "$seen times data\n";

// Commands use another connection, and the watch reports their effects.
$controller->service('power')->pause();
echo event($all, 'service', fn ($e) => $e['service']['name'] === 'power' && $e['service']['state'] === 'PAUSED')['service']['state'], "\n";
$controller->service('other')->shutdown();
event($all, 'service', fn ($e) => $e['service']['name'] === 'other' && $e['service']['view'] === 'GONE');
$controller->forget('other');
echo event($all, 'gone', fn ($e) => $e['name'] === 'other')['name'], " is forgotten\n";
echo implode(', ', array_intersect(['is PAUSED', 'PAUSE DONE', 'deregistered, STOPPED'], $logged)), "\n";

// An event loop waits on the stream of a watch: it also wakes for an event after it had taken everything.
$stream = $all->stream();
$wakes = function () use ($stream): bool {
    $read = [$stream];
    $write = $except = null;
    return stream_select($read, $write, $except, 20) === 1;
};
$awake = 0;
foreach (['run', 'pause', 'run'] as $name) {
    try { while (true) $all->next(timeout: 0.0); } catch (Linkspan\TimeoutException) {}
    $controller->service('power')->$name();
    $states = [];
    while (!$states) {
        if (!$wakes()) echo "asleep\n";
        try {
            while (true) {
                $event = $all->next(timeout: 0.0);
                if ($event['what'] === 'service' && $event['service']['name'] === 'power') $states[] = $event['service']['state'];
            }
        } catch (Linkspan\TimeoutException) {}
    }
    $awake++;
}
fclose($stream);
echo "$awake times awake\n";

// Closing the watch inside an iteration ends the iteration.
foreach ($data as $event) $data->close();
echo "ended\n";
fails(fn () => $data->next(timeout: 1));
fails(fn () => $data->stream());

echo $other->finish();
posix_kill($power->pid(), 15);
echo $power->finish();
posix_kill($program->pid(), 15);
echo $program->finish();
?>
--EXPECTF--
WrongType at services/1
OutOfRange at data_every
Timeout
{"other":"READY","power":"RUNNING"}
3 times data
PAUSED
other is forgotten
is PAUSED, PAUSE DONE, deregistered, STOPPED
3 times awake
ended
InvalidState
InvalidState
closed with %d rows
stopped
exit 0
closed with %d rows
closed with %d rows
closed with %d rows
stopped
exit 0
exit 0
