<?php
/**
 * Who is let in, before anything else is looked at; and what every answer says to the browser about itself.
 *
 * The same rules as `linkspan controller --http` has: the name that the browser thinks it talks to is ours (against DNS rebinding),
 * a request that another page made is refused, and reading as well as commands need the token, because every other user of this
 * machine reaches loopback too.
 */
declare(strict_types=1);

const BODY_LIMIT = 65536;

function mark_answers(): void
{
    header_remove('X-Powered-By');
    header("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        . "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'");
    header('X-Content-Type-Options: nosniff');
    header('X-Frame-Options: DENY');
    header('Referrer-Policy: no-referrer');
    header('Cross-Origin-Resource-Policy: same-origin');
    header('Cross-Origin-Opener-Policy: same-origin');
    header('Cache-Control: no-store');
}

function denied(int $status, string $why): Problem
{
    return new Problem($status, 113, 'PermissionDenied', $why);
}

function is_loopback(string $number): bool
{
    $bytes = @inet_pton($number);
    return $bytes === inet_pton('::1') || ($bytes !== false && strlen($bytes) === 4 && ord($bytes[0]) === 127);
}

/** Whether a browser that uses this authority means us: a number of loopback, or localhost, and our port; or what the operator names. */
function is_ours(string $authority): bool
{
    if (in_array(strtolower($authority), explode(' ', strtolower((string) getenv('LINKSPAN_PAGE_HOSTS'))), true)) {
        return $authority !== '';
    }
    if (preg_match('/^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::([0-9]+))?$/iD', $authority, $part) !== 1) {
        return false;
    }
    if ((int) ($part[3] ?? 80) !== (int) $_SERVER['SERVER_PORT']) {
        return false;
    }
    $host = $part[1] !== '' ? $part[1] : $part[2];
    return strtolower($host) === 'localhost' || (($part[1] !== '') === str_contains($host, ':') && is_loopback($host));
}

function check_origin(string $path): void
{
    $host = $_SERVER['HTTP_HOST'] ?? '';
    if ($host === '') {
        throw new Problem(400, 115, 'Malformed', 'the request has no Host header');
    }
    if (!is_ours($host)) {
        throw denied(421, json_encode($host, JSON_INVALID_UTF8_SUBSTITUTE) . ' is no name of this page: open it by the address that its server printed');
    }
    if (!getenv('LINKSPAN_PAGE_HOSTS') && !is_loopback($_SERVER['REMOTE_ADDR'] ?? '')) {
        throw denied(403, 'this page is for this machine alone; for others use ssh -L, or name the host in LINKSPAN_PAGE_HOSTS');
    }
    $scheme = ($_SERVER['HTTPS'] ?? '') === 'on' ? 'https' : 'http';
    $origin = $_SERVER['HTTP_ORIGIN'] ?? null;
    if ($origin !== null && strtolower($origin) !== strtolower("$scheme://$host")) {
        throw denied(403, "another page's requests are not answered: it comes from a page of $origin");
    }
    $site = $_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'none';
    $followed = $_SERVER['REQUEST_METHOD'] === 'GET' && $path === '/'
        && ($_SERVER['HTTP_SEC_FETCH_MODE'] ?? '') === 'navigate' && ($_SERVER['HTTP_SEC_FETCH_DEST'] ?? '') === 'document';
    if (!in_array($site, ['none', 'same-origin'], true) && !$followed) {
        throw denied(403, "another page's requests are not answered: the browser calls it $site");
    }
}

/** The token from its file, which is to be ours alone. The file may hold the page's whole address. */
function token(): string
{
    $file = (string) getenv('LINKSPAN_PAGE_TOKEN');
    $open = $file === '' ? false : @fopen($file, 'rb');
    if ($open === false) {
        throw denied(403, 'the page has no token: start it by its script `serve`, or name a file of mode 0600 in LINKSPAN_PAGE_TOKEN');
    }
    $facts = fstat($open); // of what is read, whatever the name leads to by then
    $we = fileowner('/proc/self'); // without PHP's posix extension, which not every FPM has
    if (($facts['mode'] & 0170000) !== 0100000 || !in_array($facts['uid'], [$we, 0], true)) {
        throw denied(403, "$file is no file of this user's own; make a new one with mode 0600");
    }
    if (($facts['mode'] & 0077) !== 0) {
        throw denied(403, sprintf('%s has mode %04o, so that others may know the token; make a new one with mode 0600', $file, $facts['mode'] & 07777));
    }
    if (preg_match('/([0-9a-f]{64})\s*$/D', (string) fread($open, 4096), $found) !== 1) {
        throw denied(403, "there is no token of 64 hexadecimal digits in $file");
    }
    return $found[1];
}

function check_token(): void
{
    $said = $_SERVER['HTTP_AUTHORIZATION'] ?? '';
    if (!str_starts_with($said, 'Bearer ')) {
        throw denied(401, 'the request has no token: send Authorization: Bearer, with what follows #token= in the address');
    }
    if (!hash_equals(token(), substr($said, 7))) {
        throw denied(401, 'the token is not the one of this start of the page\'s server, which has a new one each time');
    }
}

function allow(string $method): void
{
    $asked = $_SERVER['REQUEST_METHOD'];
    if ($asked !== $method && !($method === 'GET' && $asked === 'HEAD')) {
        throw Problem::method($method);
    }
}

/** The body of a command. A form of another page can send text and forms, but never this type. */
function body(): string
{
    [$kind] = explode(';', $_SERVER['CONTENT_TYPE'] ?? '', 2);
    if (strtolower(trim($kind)) !== 'application/json' || isset($_SERVER['HTTP_CONTENT_ENCODING'])) {
        throw new Problem(415, 116, 'Unsupported', "a command is sent as application/json, not compressed; this one came as '$kind'");
    }
    $body = (string) file_get_contents('php://input', length: BODY_LIMIT + 1);
    if (strlen($body) > BODY_LIMIT) {
        throw new Problem(413, 114, 'TooLarge', 'a request\'s body has at most ' . BODY_LIMIT . ' bytes');
    }
    return $body;
}
