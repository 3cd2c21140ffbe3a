<?php
/** Handles the routes of the HTTP interface: services, their commands and the log. */
declare(strict_types=1);

use Linkspan\Answer;
use Linkspan\Controller;
use Linkspan\ControllerPage;
use Linkspan\Encoding;
use Linkspan\LinkspanException;
use Linkspan\Problem;
use function Linkspan\encode;

const CONTROLLER_TIMEOUT = 3.0; // seconds; the controller answers from its memory, without asking services

/** Returns the controller, connected as long as the PHP worker. Every route answers 503 if it cannot be reached. */
function controller(): Controller
{
    try {
        return new Controller(timeout: CONTROLLER_TIMEOUT);
    } catch (LinkspanException $error) {
        throw Refused::unreachable($error);
    }
}

/** Sends a value in the extension's JSON: integers differ from floats, and timestamps are {"$time": …}. */
function send(mixed $value, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo encode($value, Encoding::Json);
}

function send_services(): void
{
    send(controller()->services(CONTROLLER_TIMEOUT));
}

function send_service(string $name): void
{
    send(controller()->service($name)->status(CONTROLLER_TIMEOUT));
}

function send_log(): void
{
    $lines = Refused::unless(ControllerPage::logLines($_GET['lines'] ?? null));
    $service = $_GET['service'] ?? '';
    $from = is_string($service) && $service !== '' ? controller()->service($service) : controller();
    send($from->log($lines, CONTROLLER_TIMEOUT));
}

function send_answer(string $name, string $id): void
{
    $answer = controller()->service($name)->answer($id, CONTROLLER_TIMEOUT);
    send($answer->jsonSerialize(), ControllerPage::answerStatus($answer));
}

function send_command(string $name): void
{
    ['id' => $id, 'command' => $command, 'arguments' => $arguments, 'within' => $within, 'wait' => $wait] = command_body();
    $service = controller()->service($name);
    $answer = $wait
        ? $service->order($id, $command, $arguments, timeout: $within)
        : $service->command($command, $arguments, timeout: $within, wait: false);
    Refused::unless(Problem::ofAnswer($answer));
    send($answer->jsonSerialize(), ControllerPage::answerStatus($answer));
}
