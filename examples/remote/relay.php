<?php
/**
 * Gives a page in PHP what a gateway has: GET follows names by server-sent events, POST calls one. No extension is needed, and the token stays here.
 *
 *     GATEWAY=https://lab.example:17180 GATEWAY_TOKEN=... php -S 127.0.0.1:8000
 *     new EventSource("relay.php?name=lab/*").addEventListener("message", event => show(JSON.parse(event.data)));
 *     fetch("relay.php?name=lab/valve", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"open": true}'});
 */
declare(strict_types=1);

const SILENT_SECONDS = 60; // the gateway writes a comment more often than that

/** Opens a route of the gateway; what it answers is an answer here, whatever its status is. */
function open_route(string $route, string $method, ?string $body = null): mixed
{
    $headers = ['Authorization: Bearer ' . getenv('GATEWAY_TOKEN'), 'Content-Type: application/json'];
    // A page that lost its stream goes on behind its last event.
    $last = $_SERVER['HTTP_LAST_EVENT_ID'] ?? '';
    $headers = array_merge($headers, preg_match('/^\d+\.[\da-f]+$/D', $last) ? ["Last-Event-ID: $last"] : []);
    $http = ['method' => $method, 'header' => $headers, 'timeout' => SILENT_SECONDS, 'ignore_errors' => true, 'follow_location' => 0];
    // Over HTTP/1.0 the answer has no chunks, which PHP would collect before it gives them.
    $http += ['protocol_version' => 1.0];
    $http += $body === null ? [] : ['content' => $body];
    // What PHP warns of is not for a page.
    return @fopen((getenv('GATEWAY') ?: 'http://127.0.0.1:17180') . $route, 'r', false, stream_context_create(['http' => $http]));
}

/** Names keep their slashes in a path. */
function in_path(string $name): string
{
    return implode('/', array_map(rawurlencode(...), explode('/', $name)));
}

$name = $_GET['name'] ?? '';
if (!is_string($name) || $name === '') {
    http_response_code(400);
    exit('say which name: relay.php?name=lab/temperature');
}
$calls = $_SERVER['REQUEST_METHOD'] === 'POST';
if ($calls && !str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/json')) {
    // A form of another page could send anything else.
    http_response_code(415);
    exit('send JSON as application/json');
}
$stream = $calls
    ? open_route('/api/call/' . in_path($name), 'POST', file_get_contents('php://input'))
    : open_route('/api/events?rate=20&name=' . rawurlencode($name), 'GET');
if ($stream === false) {
    http_response_code(502);
    exit('the gateway does not answer');
}
foreach (stream_get_meta_data($stream)['wrapper_data'] as $header) {
    if (preg_match('~^HTTP/\S+ (\d+)~', $header, $status)) {
        http_response_code((int) $status[1]);
    } elseif (preg_match('~^content-type:~i', $header)) {
        header($header);
    }
}
header('Cache-Control: no-store');
header('X-Accel-Buffering: no');
while (ob_get_level() > 0) {
    ob_end_flush();
}
if (!$calls && http_response_code() === 200) {
    echo ":\n\n"; // so that the page knows that it is connected
    flush();
}
// Each write ends the script where the page has gone; the gateway's comments are written, too.
while (($line = fgets($stream)) !== false) {
    echo $line;
    if (trim($line) === '' || str_starts_with($line, ':')) {
        flush();
    }
}
