<?php
// The peer in PHP. See README.md.

declare(strict_types=1);

use Linkspan\Bytes;
use Linkspan\Channel;
use Linkspan\Encoding;
use Linkspan\Publisher;
use Linkspan\RemoteException;
use Linkspan\Server;
use function Linkspan\decode;
use function Linkspan\encode;
use function Linkspan\subscribe;

function serve(string $endpoint, Encoding $encoding): void
{
    $sent = [];
    $server = Server::serve($endpoint, encoding: $encoding->value);
    echo "ready\n";
    foreach ($server as $request) {
        $value = $request->value;
        if (!$request->wantsReply()) {
            $sent[] = new Bytes(encode($value, Encoding::Cbor));
            continue;
        }
        switch (is_array($value) && count($value) === 1 ? ($value['peer'] ?? null) : null) {
            case 'sent':
                $request->reply($sent);
                $sent = [];
                break;
            case 'fail':
                $request->fail('asked to fail', code: 7, type: 'peer.fail', data: [1, 2]);
                break;
            case 'drop':
                unset($request);
                break;
            case 'stop':
                $request->reply(null);
                $server->close();
                return;
            default:
                $request->reply($value);
        }
    }
}

function same(string $name, string $got, string $expected): void
{
    if (bin2hex($got) !== $expected) {
        fail("$name: expected " . substr($expected, 0, 200) . ', got ' . substr(bin2hex($got), 0, 200));
    }
}

function fail(string $text): never
{
    echo $text, "\n";
    exit(1);
}

function cases_of(string $vectors): array
{
    return json_decode(file_get_contents($vectors), true, flags: JSON_THROW_ON_ERROR);
}

function value_of(array $case, Encoding $encoding): mixed
{
    return decode($encoding === Encoding::Json ? $case['json'] : hex2bin($case[$encoding->value]), $encoding);
}

function send(string $endpoint, Encoding $encoding, string $vectors): void
{
    $channel = Channel::connect($endpoint, encoding: $encoding->value, timeout: 60.0);
    foreach (cases_of($vectors) as $case) {
        $channel->send(value_of($case, $encoding));
    }
    $channel->close();
}

function receive(string $endpoint, Encoding $encoding, string $vectors): void
{
    $cases = cases_of($vectors);
    $server = Server::serve($endpoint, encoding: $encoding->value, timeout: 60.0);
    echo "ready\n";
    foreach ($cases as $case) {
        same($case['name'], encode($server->next()->value, Encoding::Cbor), $case['cbor']);
    }
    $server->close();
    printf("%d received\n", count($cases));
}

function publish(string $endpoint, Encoding $encoding, string $vectors): void
{
    $cases = cases_of($vectors);
    $publisher = new Publisher($endpoint, encoding: $encoding->value, timeout: 60.0);
    foreach ($cases as $i => $case) {
        $publisher->send(value_of($case, $encoding));
        if ($i === 0) {
            echo "ready\n";
        }
        $line = fgets(STDIN);
        if ($line !== "received\n") {
            fail($case['name'] . ": it was not received: $line");
        }
    }
    $publisher->close();
    printf("%d published\n", count($cases));
}

function listen_to(string $endpoint, Encoding $encoding, string $vectors): void
{
    $subscriber = subscribe($endpoint, encoding: $encoding->value, timeout: 60.0);
    foreach (cases_of($vectors) as $case) {
        same($case['name'], encode($subscriber->recv()->value, Encoding::Cbor), $case['cbor']);
        echo "received\n";
    }
    $subscriber->close();
}

function call(string $endpoint, Encoding $encoding, string $vectors): void
{
    $cases = cases_of($vectors);
    $channel = Channel::connect($endpoint, encoding: $encoding->value, timeout: 60.0);
    $values = [];
    foreach ($cases as $case) {
        $values[] = $value = value_of($case, $encoding);
        same($case['name'], encode($channel->call($value)->value, Encoding::Cbor), $case['cbor']);
    }
    foreach ($values as $value) {
        $channel->send($value);
    }
    $answer = $channel->call(['peer' => 'sent'])->value;
    if (count($answer) !== count($cases)) {
        fail(count($cases) . ' were sent, ' . count($answer) . ' arrived');
    }
    foreach ($cases as $i => $case) {
        same($case['name'] . ' (sent)', (string) $answer[$i], $case['cbor']);
    }
    foreach (['fail' => 'peer.fail', 'drop' => 'linkspan.unanswered'] as $what => $type) {
        try {
            $channel->call(['peer' => $what]);
            fail("$what: an answer came");
        } catch (RemoteException $e) {
            if (!str_contains($e->getMessage(), $type)) {
                fail("$what: another failure came: " . $e->getMessage());
            }
        }
    }
    $channel->close();
    printf("%1\$d called, %1\$d sent, 2 failed\n", count($cases));
}

match ($argv[1] ?? '') {
    'serve' => serve($argv[2], Encoding::from($argv[3])),
    'call' => call($argv[2], Encoding::from($argv[3]), $argv[4]),
    'send' => send($argv[2], Encoding::from($argv[3]), $argv[4]),
    'receive' => receive($argv[2], Encoding::from($argv[3]), $argv[4]),
    'publish' => publish($argv[2], Encoding::from($argv[3]), $argv[4]),
    'subscribe' => listen_to($argv[2], Encoding::from($argv[3]), $argv[4]),
    default => fail('usage: peer serve ENDPOINT ENCODING | call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS'),
};
