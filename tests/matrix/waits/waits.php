<?php
// Tries each wait of the table: `waits.php TABLE TRANSPORT` prints the rows with their outcomes.

declare(strict_types=1);

use Linkspan\{Channel, LinkspanException, Listener, Message, Publisher, Request, Server};
use function Linkspan\{latest, subscribe};

const KINDS = ['none' => null, 'zero' => 0.0, 'positive' => 0.05, 'there' => 0.05, 'forever' => INF, 'negative' => -1.0, 'nan' => NAN];
[, $table, $transport] = $argv;
$number = 0;

function outcome(callable $call, array $given): string
{
    try {
        $got = $call(...$given);
    } catch (LinkspanException $error) {
        return preg_replace('/^Linkspan.|Exception$/', '', $error::class);
    }
    return $got instanceof Message || $got instanceof Request ? 'message' : 'done';
}

/** Opens the row's objects, sends the message if the row expects one, and calls. */
function tried(string $thing, string $operation, array $given, bool $there): string
{
    global $number, $transport;
    $name = "$transport:waits/" . ++$number;
    $quiet = ['on_unconsumed' => fn () => null];
    switch ("$thing $operation") {
        case 'subscriber recv':
        case 'subscriber next':
            $out = new Publisher($name);
            $reader = subscribe($name, timeout: 0.05);
            $out->send(0);
            $reader->recv(60.0);
            if ($there) $out->send(1);
            return outcome($reader->$operation(...), $given);
        case 'nobody recv':
            return outcome(subscribe($name, timeout: 0.05)->recv(...), $given);
        case 'channel recv':
        case 'channel call':
        case 'channel flush':
            $listener = Listener::listen($name);
            $near = Channel::connect($name, ...['timeout' => 0.05] + $quiet);
            $far = $listener->accept(60.0);
            if ($operation === 'flush') $near->send(1, timeout: 60.0);
            if ($there) $far->send(1, timeout: 60.0);
            return outcome($operation === 'call' ? fn (mixed ...$given) => $near->call(1, ...$given) : $near->$operation(...), $given);
        case 'listener accept':
            $listener = Listener::listen($name, timeout: 0.05);
            $near = $there ? Channel::connect($name, timeout: 60.0) : null;
            return outcome($listener->accept(...), $given);
        case 'server next':
            $server = Server::serve($name, timeout: 0.05);
            $near = $there ? Channel::connect($name, ...['timeout' => 60.0] + $quiet) : null;
            $near?->send(1, timeout: 60.0);
            return outcome($server->next(...), $given);
        case 'publisher latest':
            $out = new Publisher($name);
            if ($there) $out->send(1);
            return outcome(fn (mixed ...$given) => latest($name, ...$given), $given);
        case 'publisher wait':
            $out = new Publisher($name, timeout: 0.05);
            $out->send(0);
            $reader = $there ? subscribe($name) : null;
            $reader?->recv(60.0);
            return outcome(fn (mixed ...$given) => $out->waitForSubscribers(1, ...$given), $given);
        case 'absent latest':
            return outcome(fn (mixed ...$given) => latest($name, ...$given), $given);
        case 'absent connect':
            return outcome(fn (mixed ...$given) => Channel::connect($name, ...$given), $given);
    }
    throw new Exception("no such row: $thing $operation");
}

foreach (file($table) as $line) {
    $words = preg_split('/\s+/', $line, -1, PREG_SPLIT_NO_EMPTY);
    if (!$words || $line[0] === '#') continue;
    $found = [];
    foreach (array_keys(KINDS) as $at => $kind) {
        $given = $kind === 'none' ? [] : ['timeout' => KINDS[$kind]];
        $found[] = $words[$at + 2] === '-' ? '-' : tried($words[0], $words[1], $given, in_array($kind, ['there', 'forever']));
    }
    echo implode(' ', [$words[0], $words[1], ...$found]), "\n";
}
