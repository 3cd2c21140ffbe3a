<?php
/** Streams server-sent events: a snapshot of all services, then each event. */
declare(strict_types=1);

use Linkspan\ControllerPage;
use Linkspan\Encoding;
use Linkspan\LinkspanException;
use Linkspan\TimeoutException;
use Linkspan\Watch;
use function Linkspan\encode;

const STREAM_SECONDS = 20.0; // then the page reconnects, so that no stream occupies a PHP worker for long
const ALIVE_SECONDS = 5.0;   // PHP detects a closed connection only when it writes
const DATA_SECONDS = 1.0;
const RETRY_SECONDS = 1.0;   // until the next attempt to reach the controller

/** Sends one event. Its id counts the events that this page has received, over all its streams. */
function emit(string $name, string $json): void
{
    static $number = null;
    $number = ($number ?? (int) ($_SERVER['HTTP_LAST_EVENT_ID'] ?? 0)) + 1;
    echo "id: $number\nevent: $name\ndata: $json\n\n";
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
    $sent = null;
    while (microtime(true) < $end && !connection_aborted()) {
        try {
            follow(controller()->watch(data_every: DATA_SECONDS), $end);
        } catch (LinkspanException | Refused $error) {
            if ($sent !== $error->getMessage()) {
                $sent = $error->getMessage();
                emit('controller', encode(['connected' => false, 'reason' => $sent], Encoding::Json));
            } else {
                echo ": disconnected\n\n";
                flush();
            }
            usleep((int) (RETRY_SECONDS * 1e6));
        }
    }
}

/** Sends a snapshot, then events until the time $end. It watches before the snapshot, to miss no event. */
function follow(Watch $watch, float $end): void
{
    $controller = controller();
    $snapshot = [
        'host' => gethostname(),
        'controller' => ['connected' => true, 'reason' => ''],
        'services' => $controller->services(CONTROLLER_TIMEOUT),
        'data' => [],
        'log' => $controller->log(ControllerPage::SNAPSHOT_LOG_LINES, CONTROLLER_TIMEOUT),
    ];
    emit('snapshot', encode($snapshot, Encoding::Json));
    while (($remaining = $end - microtime(true)) > 0 && !connection_aborted()) {
        try {
            $event = ControllerPage::event($watch->next(min(ALIVE_SECONDS, $remaining)));
            if ($event !== null) {
                emit($event['name'], $event['json']);
            }
        } catch (TimeoutException) {
            echo ": alive\n\n";
            flush();
        }
    }
    $watch->close();
}
