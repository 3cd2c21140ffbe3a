<?php
/** What happens, as server-sent events, twenty seconds at a time: first how everything stands, then each thing as it comes. */
declare(strict_types=1);

use Linkspan\Encoding;
use Linkspan\LinkspanException;
use Linkspan\TimeoutException;
use Linkspan\Watch;
use function Linkspan\encode;

const STREAM_SECONDS = 20.0; // then the page asks again, with Last-Event-ID: no worker of PHP is held for long
const ALIVE_SECONDS = 5.0;   // a page that has gone is noticed only by writing to it
const DATA_SECONDS = 1.0;
const AGAIN_SECONDS = 1.0;   // until the controller is looked for again
const LOG_LINES = 300;
const SHOWN = 65536;         // bytes of data that a page is given

/** Sends one event. Its id is the number of those that this page has been sent, over all its streams. */
function emit(string $what, mixed $event): void
{
    static $number = null;
    $number = ($number ?? (int) ($_SERVER['HTTP_LAST_EVENT_ID'] ?? 0)) + 1;
    $json = encode($event, Encoding::Json);
    if ($what === 'data' && strlen($json) > SHOWN) {
        $json = encode(['what' => 'data', 'name' => $event['name'], 'at' => $event['at'], 'too_large' => strlen($json)], Encoding::Json);
    }
    echo "id: $number\nevent: $what\ndata: $json\n\n";
    flush();
}

function send_events(): void
{
    header('Content-Type: text/event-stream');
    header('X-Accel-Buffering: no');
    while (ob_get_level() > 0) {
        ob_end_flush();
    }
    echo "retry: 250\n\n";
    flush();
    $end = microtime(true) + STREAM_SECONDS;
    $told = null;
    while (microtime(true) < $end && !connection_aborted()) {
        try {
            follow(controller()->watch(data_every: DATA_SECONDS), $end);
        } catch (LinkspanException | Problem $error) {
            if ($told !== $error->getMessage()) {
                emit('controller', ['connected' => false, 'reason' => $told = $error->getMessage()]);
            } else {
                echo ": away\n\n";
                flush();
            }
            usleep((int) (AGAIN_SECONDS * 1e6));
        }
    }
}

/** Tells the page all that happens until the stream has lasted long enough. Watching begins first: nothing falls in between. */
function follow(Watch $watch, float $end): void
{
    $controller = controller();
    emit('snapshot', [
        'controller' => ['connected' => true, 'reason' => ''],
        'services' => $controller->services(PATIENCE),
        'data' => [],
        'log' => $controller->log(LOG_LINES, PATIENCE),
    ]);
    while (($left = $end - microtime(true)) > 0 && !connection_aborted()) {
        try {
            $event = $watch->next(min(ALIVE_SECONDS, $left));
            emit($event['what'], $event);
        } catch (TimeoutException) {
            echo ": alive\n\n";
            flush();
        }
    }
    $watch->close();
}
