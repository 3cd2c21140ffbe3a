--TEST--
Servers: reply, fail, requests that are dropped, run with a handler that throws, exit; calls that end with the server
--EXTENSIONS--
linkspan
pcntl
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, RemoteException};

runtime_directory();
foreach (['unix:work', 'shm:work'] as $endpoint) {
    echo "$endpoint\n";
    $peer = new Peer('$endpoint = ' . var_export($endpoint, true) . ';' . <<<'PHP'
        $server = Linkspan\Server::serve($endpoint);
        fails(fn () => $server->next(0));
        echo "ready\n";
        foreach ($server as $number => $request) {
            match ($request['op']) {
                'echo' => $request->reply(['number' => $number, 'value' => $request['value'], 'wants' => $request->wantsReply()]),
                'fail' => $request->fail('too long', 'spectrum.window_too_long', 42, ['most' => [4096]]),
                'twice' => [$request->reply(1), fails(fn () => $request->reply(2))],
                'bad' => [fails(fn () => $request->reply("\xff")), $request->reply('instead')],
                'next' => $request->reply('bye'),
            };
            if ($request['op'] === 'next') break;
        }
        unset($request);
        // A request without a reply is answered when it is freed.
        $request = $server->next();
        unset($request);
        $server->run(function (Linkspan\Request $request) {
            switch ($request['op'] ?? $request->value) {
                case 'throw': throw new DomainException('not my kind');
                case 'pass on': throw new Linkspan\LinkspanException('as it is');
                case 'resource': return fopen('php://memory', 'r');
                case 'bytes': throw new DomainException("caf\xe9");
                case 'own reply': $request->reply('mine'); return 'ignored';
                case 'fail with bytes': return $request->fail("caf\xe9");
                case 'warn':
                    // Like frameworks: a warning becomes an exception.
                    set_error_handler(fn ($level, $text) => throw new ErrorException($text));
                    throw new DomainException('with a handler of errors');
                case 'sent': restore_error_handler(); echo "a message that expects no reply\n"; return 'discarded';
                case 'exit': exit(7);
                default: return $request;
            }
        });
        PHP . file_get_contents(getenv('LINKSPAN_TESTS') . '/fails.inc'));
    echo $peer->line(), ' ', $peer->line(), "\n";
    $ch = Channel::connect($endpoint, timeout: 5);
    echo json_encode($ch->call(['op' => 'echo', 'value' => ['ü', 1.0]])), "\n";
    echo json_encode($ch->call(['op' => 'echo', 'value' => null])['number']), "\n";
    try {
        $ch->call(['op' => 'fail']);
    } catch (RemoteException $e) {
        echo json_encode([$e->getCode(), $e->getRemoteCode(), $e->getRemoteType(), $e->getRemoteText(), $e->getData(), $e->getEndpoint()]), "\n";
        echo $e->getMessage(), "\n";
    }
    echo $ch->call(['op' => 'twice'])->value, "\n";
    echo $ch->call(['op' => 'bad'])->value, "\n";
    echo $ch->call(['op' => 'next'])->value, "\n";
    fails(fn () => $ch->call('drop me'));
    foreach (['throw', 'pass on', 'resource'] as $op) fails(fn () => $ch->call(['op' => $op]));
    try { $ch->call(['op' => 'bytes']); } catch (RemoteException $e) { echo json_encode($e->getRemoteText()), "\n"; }
    try { $ch->call(['op' => 'fail with bytes']); } catch (RemoteException $e) { echo json_encode($e->getRemoteText()), "\n"; }
    try { $ch->call(['op' => 'warn']); } catch (RemoteException $e) { echo $e->getRemoteText(), "\n"; }
    echo $ch->call(['op' => 'own reply'])->value, "\n";
    $ch->send('sent');
    $others = array_map(fn ($i) => Channel::connect($endpoint, client_id: "client-$i", timeout: 5), range(1, 5));
    foreach ($others as $i => $other) assert($other->call(['i' => $i])['i'] === $i);
    // The answer or the disconnect, whichever arrives first.
    try { $ch->call(['op' => 'exit']); } catch (RemoteException | Linkspan\DisconnectedException $e) { echo "gone\n"; }
    echo $peer->finish();
    unset($ch, $others, $other);
}
?>
--EXPECT--
unix:work
Timeout ready
{"number":0,"value":["\u00fc",1],"wants":true}
1
[122,42,"spectrum.window_too_long","too long",{"most":[4096]},"unix:work"]
unix:work: spectrum.window_too_long: too long (code 42)
1
instead
bye
Remote
Remote
Remote
Remote
"caf\ufffd"
"caf\ufffd"
with a handler of errors
mine
gone
InvalidState
Unsupported

Warning: Linkspan\Server::run(): the handler threw DomainException: not my kind in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw Linkspan\LinkspanException: as it is in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw Linkspan\UnsupportedException: unix:work: a resource has no form outside this process in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw DomainException: caf� in Command line code on line 18
a message that expects no reply
exit 7
shm:work
Timeout ready
{"number":0,"value":["\u00fc",1],"wants":true}
1
[122,42,"spectrum.window_too_long","too long",{"most":[4096]},"shm:work"]
shm:work: spectrum.window_too_long: too long (code 42)
1
instead
bye
Remote
Remote
Remote
Remote
"caf\ufffd"
"caf\ufffd"
with a handler of errors
mine
gone
InvalidState
Unsupported

Warning: Linkspan\Server::run(): the handler threw DomainException: not my kind in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw Linkspan\LinkspanException: as it is in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw Linkspan\UnsupportedException: shm:work: a resource has no form outside this process in Command line code on line 18

Warning: Linkspan\Server::run(): the handler threw DomainException: caf� in Command line code on line 18
a message that expects no reply
exit 7
