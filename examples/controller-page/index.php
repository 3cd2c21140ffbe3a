<?php
/** The controller's page in PHP: everything that is asked for comes here, from `php -S` as from a pool of FPM. */
declare(strict_types=1);

require __DIR__ . '/problem.php';
require __DIR__ . '/door.php';
require __DIR__ . '/interface.php';
require __DIR__ . '/events.php';

use Linkspan\LinkspanException;

// The page itself is the one that `linkspan controller --http` serves.
const PAGE = __DIR__ . '/../../cli/page';
const ASSETS = [
    '/' => ['page.html', 'text/html; charset=utf-8'],
    '/page.css' => ['page.css', 'text/css; charset=utf-8'],
    '/icon.svg' => ['icon.svg', 'image/svg+xml'],
    '/page.js' => ['page.js', 'text/javascript; charset=utf-8'],
    '/stream.js' => ['stream.js', 'text/javascript; charset=utf-8'],
    '/service.js' => ['service.js', 'text/javascript; charset=utf-8'],
    '/plot.js' => ['plot.js', 'text/javascript; charset=utf-8'],
    '/dialogs.js' => ['dialogs.js', 'text/javascript; charset=utf-8'],
    '/values.js' => ['values.js', 'text/javascript; charset=utf-8'],
];

ini_set('display_errors', '0'); // what goes wrong is told as a problem, and in PHP's own log
ini_set('html_errors', '0');

function send_asset(string $path): void
{
    [$file, $type] = ASSETS[$path];
    $content = file_get_contents(PAGE . "/$file");
    if ($content === false) {
        throw new Problem(500, 127, 'Internal', "the page's file $file is not there");
    }
    $tag = '"' . hash('xxh3', $content) . '"';
    header("ETag: $tag");
    header('Cache-Control: no-cache');
    if (in_array($tag, array_map(trim(...), explode(',', $_SERVER['HTTP_IF_NONE_MATCH'] ?? '')), true)) {
        http_response_code(304);
        return;
    }
    header("Content-Type: $type");
    echo $content;
}

function answer(): void
{
    [$path] = explode('?', $_SERVER['REQUEST_URI'], 2);
    mark_answers();
    check_origin($path);
    if (isset(ASSETS[$path])) {
        allow('GET');
        send_asset($path);
        return;
    }
    if (str_starts_with($path, '/api/')) {
        check_token();
    }
    // A name with a / in it is one step, with %2F.
    $steps = array_map(rawurldecode(...), explode('/', substr($path, 1)));
    if (preg_match('//u', implode('/', $steps)) !== 1) {
        throw new Problem(400, 115, 'Malformed', 'the address is no UTF-8 when it is decoded');
    }
    match (true) {
        $steps === ['api', 'services'] => [allow('GET'), send_services()],
        $steps === ['api', 'log'] => [allow('GET'), send_log()],
        $steps === ['api', 'events'] => [allow('GET'), send_events()],
        count($steps) === 3 && array_slice($steps, 0, 2) === ['api', 'services'] => [allow('GET'), send_status($steps[2])],
        count($steps) === 4 && [$steps[0], $steps[1], $steps[3]] === ['api', 'services', 'commands']
            => [allow('POST'), carry_out($steps[2])],
        count($steps) === 5 && [$steps[0], $steps[1], $steps[3]] === ['api', 'services', 'commands']
            => [allow('GET'), send_answer($steps[2], $steps[4])],
        default => throw new Problem(404, 103, 'NotFound', "there is nothing at $path"),
    };
}

try {
    answer();
} catch (Problem $problem) {
    $problem->send();
} catch (LinkspanException $error) {
    Problem::of($error)->send();
} catch (Throwable $defect) {
    error_log((string) $defect);
    (new Problem(500, 127, 'Internal', 'a defect of the page\'s server; its log says more'))->send();
}
