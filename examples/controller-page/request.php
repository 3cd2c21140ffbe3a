<?php
/**
 * The request, checked before anything else is done with it.
 *
 * The rules are the core's, so they are those of `linkspan controller --http`: the name that the browser believes to talk to is ours
 * (against DNS rebinding), a request that another page made is refused, and reading as well as commands need the token, because every
 * other user of this machine reaches loopback too.
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

/** The command in the body: id, command, arguments, within, wait. */
function command_body(): array
{
    $body = (string) file_get_contents('php://input', length: ControllerPage::MAX_BODY + 1);
    return Refused::unless(ControllerPage::decodeCommand($_SERVER, $body));
}
