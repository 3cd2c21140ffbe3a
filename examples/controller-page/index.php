<?php
/** Routes every request for the controller's page, under `php -S` and under FPM. */
declare(strict_types=1);

require __DIR__ . '/problem.php';
require __DIR__ . '/request.php';
require __DIR__ . '/api.php';
require __DIR__ . '/events.php';

use Linkspan\LinkspanException;
use Linkspan\Problem;

// The files of the page, shared with `linkspan controller --http`.
const PAGE = __DIR__ . '/../../programs/cli/page';
const TYPES = ['html' => 'text/html', 'css' => 'text/css', 'js' => 'text/javascript', 'svg' => 'image/svg+xml'];

ini_set('display_errors', '0'); // errors are sent as problem details, and PHP logs them
ini_set('html_errors', '0');

/** Returns the page's file at exactly this path, or null. */
function asset(string $path): ?string
{
    $files = array_map(basename(...), glob(PAGE . '/*.{' . implode(',', array_keys(TYPES)) . '}', GLOB_BRACE) ?: []);
    $name = $path === '/' ? 'page.html' : substr($path, 1);
    return in_array($name, $files, true) && $path !== '/page.html' ? PAGE . "/$name" : null;
}

function send_asset(string $file): void
{
    $content = (string) file_get_contents($file);
    $tag = '"' . hash('xxh3', $content) . '"';
    header("ETag: $tag");
    header('Cache-Control: no-cache');
    if (in_array($tag, array_map(trim(...), explode(',', $_SERVER['HTTP_IF_NONE_MATCH'] ?? '')), true)) {
        http_response_code(304);
        return;
    }
    $type = TYPES[pathinfo($file, PATHINFO_EXTENSION)];
    header("Content-Type: $type" . (str_starts_with($type, 'text/') ? '; charset=utf-8' : ''));
    echo $content;
}

/** The routes that need the token. A name in braces matches one segment of the path, with %2F for /. */
const ROUTES = [
    ['GET', '/api', 'send_index'],
    ['GET', '/api/services', 'send_services'],
    ['GET', '/api/services/{name}', 'send_service'],
    ['POST', '/api/services/{name}/commands', 'send_command'],
    ['GET', '/api/services/{name}/commands/{id}', 'send_answer'],
    ['GET', '/api/log', 'send_log'],
    ['GET', '/api/events', 'send_events'],
];

/** Sends the list of routes, for programs. */
function send_index(): void
{
    send(array_map(fn (array $route) => ['method' => $route[0], 'path' => $route[1]], ROUTES));
}

/** Answers the request. Only the page's files need no token. */
function answer(): void
{
    [$path] = explode('?', $_SERVER['REQUEST_URI'], 2);
    send_security_headers();
    $page = page();
    Refused::unless($page->checkOrigin($_SERVER));
    $file = asset($path);
    if ($file !== null) {
        allow('GET');
        send_asset($file);
        return;
    }
    Refused::unless($page->checkToken($_SERVER));
    foreach (ROUTES as [$method, $pattern, $handler]) {
        $expression = '#^' . preg_replace('/\\{\w+\}/', '([^/]+)', $pattern) . '$#D';
        if (preg_match($expression, $path, $segments) === 1) {
            allow($method);
            $segments = array_map(rawurldecode(...), array_slice($segments, 1));
            if (preg_match('//u', implode('/', $segments)) !== 1) {
                throw new Refused(Problem::create(400, 'Malformed', 'the path is not valid UTF-8 after decoding'));
            }
            $handler(...$segments);
            return;
        }
    }
    throw new Refused(Problem::create(404, 'NotFound', "there is nothing at $path; GET /api lists what there is"));
}

try {
    answer();
} catch (Refused $refused) {
    send_problem($refused->problem);
} catch (LinkspanException $error) {
    send_problem(Problem::of($error));
} catch (Throwable $defect) {
    error_log((string) $defect);
    send_problem(Problem::create(500, 'Internal', "an internal error of the page's server; its log has the details"));
}
