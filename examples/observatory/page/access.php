<?php
/**
 * Refuses requests of other sites: Host must be a name of loopback.
 *
 * A page of another site in the same browser can send requests to this server. If its host name resolves to this
 * machine (DNS rebinding), it can also read the responses.
 */
declare(strict_types=1);

$isLoopback = preg_match('/^(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?$/iD', $_SERVER['HTTP_HOST'] ?? '') === 1;
if (!$isLoopback || !in_array($_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'none', ['none', 'same-origin'], true)) {
    http_response_code(403);
    header('Content-Type: text/plain');
    exit("Requests of other sites are refused; open this page at 127.0.0.1.\n");
}
header('X-Content-Type-Options: nosniff');
header('Cross-Origin-Resource-Policy: same-origin');
