<?php
/**
 * What this page's server answers: requests of its own page. Another page in the same browser could ask, too, and read the answers where
 * its own name was made to lead here.
 */
declare(strict_types=1);

$ours = preg_match('/^(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?$/iD', $_SERVER['HTTP_HOST'] ?? '') === 1;
if (!$ours || !in_array($_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'none', ['none', 'same-origin'], true)) {
    http_response_code(403);
    header('Content-Type: text/plain');
    exit("Another page's requests are not answered; open this one at 127.0.0.1.\n");
}
header('X-Content-Type-Options: nosniff');
header('Cross-Origin-Resource-Policy: same-origin');
