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

/** What may be asked for with the token; a part in braces stands for one step, in which / is written as %2F. */
const ROUTES = [
    ['GET', '/api', 'send_index'],
    ['GET', '/api/services', 'send_services'],
    ['GET', '/api/services/{name}', 'send_status'],
    ['POST', '/api/services/{name}/commands', 'carry_out'],
    ['GET', '/api/services/{name}/commands/{id}', 'send_answer'],
    ['GET', '/api/log', 'send_log'],
    ['GET', '/api/events', 'send_events'],
];

/** The table, for programs. */
function send_index(): void
{
    send(array_map(fn (array $route) => ['method' => $route[0], 'path' => $route[1]], ROUTES));
}

/** The page's files are for everybody, by this very spelling; whatever else is asked for, the token comes first. */
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
    check_token();
    foreach (ROUTES as [$method, $pattern, $handler]) {
        $expression = '#^' . preg_replace('/\\{\w+\}/', '([^/]+)', $pattern) . '$#D';
        if (preg_match($expression, $path, $steps) === 1) {
            allow($method);
            $steps = array_map(rawurldecode(...), array_slice($steps, 1));
            if (preg_match('//u', implode('/', $steps)) !== 1) {
                throw new Problem(400, 115, 'Malformed', 'the address is no UTF-8 when it is decoded');
            }
            $handler(...$steps);
            return;
        }
    }
    throw new Problem(404, 103, 'NotFound', "there is nothing at $path; GET /api tells what there is");
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
