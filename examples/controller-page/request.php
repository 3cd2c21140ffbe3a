<?php
/**
 * Checks each request before it is handled, by the core's rules, like `linkspan controller --http`.
 *
 * The Host header must be a name of this server (against DNS rebinding). Requests of other sites are refused. Reading
 * needs the token, like commands, because other users of this machine can connect to loopback.
 */
declare(strict_types=1);

use Linkspan\ControllerPage;
use Linkspan\Problem;

function page(): ControllerPage
{
    $hosts = array_values(array_filter(explode(' ', (string) getenv('LINKSPAN_PAGE_HOSTS'))));
    return new ControllerPage((string) getenv('LINKSPAN_PAGE_TOKEN'), $hosts);
}

function send_security_headers(): void
{
    header_remove('X-Powered-By');
    foreach (ControllerPage::securityHeaders() as $name => $value) {
        header("$name: $value");
    }
    header('Cache-Control: no-store');
}

function allow(string $method): void
{
    $requested = $_SERVER['REQUEST_METHOD'];
    if ($requested !== $method && !($method === 'GET' && $requested === 'HEAD')) {
        throw new Refused(Problem::method($method));
    }
}

/** Returns the command in the body: id, command, arguments, within, wait. */
function command_body(): array
{
    $body = (string) file_get_contents('php://input', length: ControllerPage::MAX_BODY + 1);
    return Refused::unless(ControllerPage::decodeCommand($_SERVER, $body));
}
