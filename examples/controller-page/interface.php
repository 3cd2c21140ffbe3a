<?php
/** What is asked for and answered: services, their commands, the log. */
declare(strict_types=1);

use Linkspan\Controller;
use Linkspan\Encoding;
use Linkspan\LinkspanException;
use Linkspan\Outcome;
use function Linkspan\decode;
use function Linkspan\encode;

const PATIENCE = 3.0; // seconds; the controller answers what it knows by itself, at once
const WITHIN = 30.0;
const WITHIN_AT_MOST = 600.0;
const LINES_AT_MOST = 2000;

/** The connection lasts as long as PHP's worker. Where the controller is away that is 503, and no matter of the address. */
function controller(): Controller
{
    try {
        return new Controller(timeout: PATIENCE);
    } catch (LinkspanException $error) {
        throw Problem::away($error);
    }
}

/** As the extension writes JSON: whole numbers and others stay different, an instant is {"$time": …}. */
function send(mixed $value, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo encode($value, Encoding::Json);
}

function send_services(): void
{
    send(controller()->services(PATIENCE));
}

function send_status(string $name): void
{
    send(controller()->service($name)->status(PATIENCE));
}

function send_log(): void
{
    $lines = filter_var($_GET['lines'] ?? 200, FILTER_VALIDATE_INT);
    if ($lines === false || $lines < 1 || $lines > LINES_AT_MOST) {
        throw new Problem(400, 123, 'OutOfRange', 'ask for 1 to ' . LINES_AT_MOST . ' lines');
    }
    $service = $_GET['service'] ?? '';
    $from = is_string($service) && $service !== '' ? controller()->service($service) : controller();
    send($from->log($lines, PATIENCE));
}

function send_answer(string $name, string $id): void
{
    $answer = controller()->service($name)->answer($id, PATIENCE);
    send(plain($answer), $answer->outcome === Outcome::Accepted ? 202 : 200);
}

/** An answer as the map that it was. */
function plain(Linkspan\Answer $answer): array
{
    $map = ['id' => $answer->id, 'outcome' => $answer->outcome->value, 'state' => $answer->state->value];
    return $map + ($answer->error === null ? ['value' => $answer->value] : ['error' => failure($answer->error)]);
}

function failure(LinkspanException $error): array
{
    $problem = Problem::of($error);
    return ['code' => $problem->getCode(), 'type' => $error->getRemoteType() ?? $error->getKind(), 'text' => $problem->getMessage()];
}

/** The command in a body: its word, its arguments, how long it may take, and whether its end is waited for. */
function order(string $body): array
{
    $order = decode($body, Encoding::Json);
    $order = $order instanceof stdClass ? (array) $order : $order;
    if (!is_array($order) || ($order !== [] && array_is_list($order))) {
        throw new Problem(400, 109, 'WrongType', 'a command is a map');
    }
    foreach (array_keys($order) as $key) {
        if ($key === 'id') {
            throw new Problem(422, 116, 'Unsupported', 'here the server gives commands their ids; leave id out');
        }
        if (!in_array($key, ['command', 'arguments', 'within', 'wait'], true)) {
            throw new Problem(400, 115, 'Malformed', "'$key' is no part of a command: it has command, arguments, within and wait");
        }
    }
    $word = $order['command'] ?? null;
    $within = $order['within'] ?? WITHIN;
    $wait = $order['wait'] ?? true;
    if (!is_string($word) || !(is_int($within) || is_float($within)) || !is_bool($wait)) {
        throw new Problem(400, 109, 'WrongType', 'command is text, within a number of seconds, wait true or false');
    }
    if (!($within > 0 && $within <= WITHIN_AT_MOST)) {
        throw new Problem(400, 123, 'OutOfRange', "within is $within: give seconds, more than 0 and at most " . WITHIN_AT_MOST);
    }
    return [$word, $order['arguments'] ?? null, (float) $within, $wait];
}

function carry_out(string $name): void
{
    [$word, $arguments, $within, $wait] = order(body());
    $service = controller()->service($name);
    try {
        $given = $service->command($word, $arguments, timeout: $within, wait: $wait);
    } catch (LinkspanException $error) {
        throw refused($service, $error);
    }
    if ($wait) {
        send(['outcome' => 'DONE', 'state' => $service->status(PATIENCE)['state'], 'value' => $given]);
    } elseif ($given->error !== null) {
        throw refused($service, $given->error);
    } else {
        send(plain($given), $given->outcome === Outcome::Accepted ? 202 : 200);
    }
}

/** What a service refused or could not do, with its state. */
function refused(Linkspan\ServiceHandle $service, LinkspanException $error): Problem
{
    $problem = Problem::of($error);
    try {
        $state = $service->status(PATIENCE)['state'];
    } catch (LinkspanException) {
        return $problem; // there is no such service, or nobody to ask
    }
    $outcome = $error->getKind() === 'InvalidState' ? 'REJECTED' : 'FAILED';
    $problem->answer = ['outcome' => $outcome, 'state' => $state, 'error' => failure($error)];
    return $problem;
}
