<?php
/**
 * Relays a gateway to a page in PHP without the extension: GET follows names by server-sent events, POST calls one.
 *
 * The token stays in this script.
 *
 *     GATEWAY=https://lab.example:17180 GATEWAY_TOKEN=... php -S 127.0.0.1:8000
 *     new EventSource("relay.php?name=lab/*").addEventListener("message", event => show(JSON.parse(event.data)));
 *     fetch("relay.php?name=lab/valve", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"open": true}'});
 */
declare(strict_types=1);

const SILENT_SECONDS = 60; // the gateway writes a comment more often

/** Opens a route of the gateway; also an answer with the status of an error is an answer. */
function open_route(string $route, string $method, ?string $body = null): mixed
{
    $headers = ['Authorization: Bearer ' . getenv('GATEWAY_TOKEN'), 'Content-Type: application/json'];
    // A page that lost its stream continues after its last event.
    $last = $_SERVER['HTTP_LAST_EVENT_ID'] ?? '';
    $headers = array_merge($headers, preg_match('/^\d+\.[\da-f]+$/D', $last) ? ["Last-Event-ID: $last"] : []);
    $http = ['method' => $method, 'header' => $headers, 'timeout' => SILENT_SECONDS, 'ignore_errors' => true, 'follow_location' => 0];
    // PHP would collect the chunks of an answer; HTTP/1.0 has none.
    $http += ['protocol_version' => 1.0];
    $http += $body === null ? [] : ['content' => $body];
    // The page gets no warnings of PHP.
    return @fopen((getenv('GATEWAY') ?: 'http://127.0.0.1:17180') . $route, 'r', false, stream_context_create(['http' => $http]));
}

/** Encodes a name for a path; its slashes stay. */
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
    // A form of another page can send any other type.
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
    echo ":\n\n"; // tells the page that it is connected
    flush();
}
// Each write, also of the gateway's comments, ends the script if the page has gone.
while (($line = fgets($stream)) !== false) {
    echo $line;
    if (trim($line) === '' || str_starts_with($line, ':')) {
        flush();
    }
}
