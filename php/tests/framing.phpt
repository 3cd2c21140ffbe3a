--TEST--
Programs without Linkspan: JSON-RPC 2.0 in lines as server and as client, and raw bytes, over plain streams
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Bytes, Channel, Listener, Server};

$directory = scratch_directory();
foreach (["unix:$directory/a.sock", endpoint('tcp')] as $endpoint) {
    $plain_address = preg_replace('/^unix:/', 'unix://', $endpoint);
    echo strstr($endpoint, ':', true), "\n";

    // A server replies to a plain socket.
    $server = Server::serve($endpoint, framing: 'lines');
    $plain = stream_socket_client($plain_address);
    fwrite($plain, '{"jsonrpc":"2.0","method":"sum","params":[1,2,3],"id":7}' . "\n" . '{"op":"x"}' . "\n");
    $request = $server->next(30);
    assert($request->wantsReply());
    $request->reply(array_sum($request['params']));
    echo fgets($plain);
    $note = $server->next(30);
    echo json_encode($note), $note->wantsReply() ? ' waits' : '', "\n";
    fwrite($plain, '{"jsonrpc":"2.0","method":"fly","id":"b"}' . "\n");
    $server->next(30)->fail('no wings', 'lab.wings', -32601);
    echo fgets($plain);
    fclose($plain);
    $server->close();

    // A client calls a plain server, a process without Linkspan.
    $other = str_replace('a.sock', 'b.sock', $plain_address);
    $peer = new Peer('$door = stream_socket_server(' . var_export($other, true) . '); echo "listens\n";' . <<<'PHP'
        $client = stream_socket_accept($door, 60);
        while (($line = fgets($client)) !== false) {
            $request = json_decode($line, true);
            if (!isset($request['id'])) $answer = ['jsonrpc' => '2.0', 'method' => 'heard', 'params' => [1]];
            elseif ($request['method'] === 'sum') $answer = ['jsonrpc' => '2.0', 'id' => $request['id'], 'result' => array_sum($request['params'])];
            else $answer = ['jsonrpc' => '2.0', 'id' => $request['id'], 'error' => ['code' => -32601, 'message' => 'Method not found']];
            fwrite($client, json_encode($answer) . "\n");
        }
        PHP);
    $peer->line();
    $channel = Channel::connect(str_replace('a.sock', 'b.sock', $endpoint), framing: 'lines', timeout: 60);
    echo $channel->call(['method' => 'sum', 'params' => [1, 2, 39]])->value, "\n";
    fails(fn () => $channel->call(['method' => 'fly']));
    $channel->send(['jsonrpc' => '2.0', 'method' => 'note']);
    echo $channel->recv()['method'], "\n";
    $channel->close();
    echo $peer->finish();

    // Raw bytes.
    $raw = str_replace('a.sock', 'c.sock', $endpoint);
    $listener = Listener::listen($raw, framing: 'raw', timeout: 60);
    $plain = stream_socket_client(preg_replace('/^unix:/', 'unix://', $raw));
    $far = $listener->accept();
    fwrite($plain, "\2GET\3");
    for ($got = ''; strlen($got) < 5;) $got .= $far->recv()->value->data;
    $far->send(new Bytes("\6\0\n"));
    echo bin2hex($got), ' ', bin2hex(stream_get_contents($plain, 3)), "\n";
    fclose($plain);
    unset($far, $listener, $server, $channel, $request, $note);
}

// A named pipe replies to echo.
$server = Server::serve("fifo:$directory/valve", framing: 'lines');
shell_exec('echo \'{"op":"x"}\' > ' . escapeshellarg("$directory/valve"));
echo json_encode($server->next(30)), "\n";
?>
--EXPECT--
unix
{"jsonrpc":"2.0","result":6,"id":7}
{"op":"x"}
{"jsonrpc":"2.0","error":{"code":-32601,"message":"no wings","data":{"type":"lab.wings"}},"id":"b"}
42
Remote
heard
exit 0
0247455403 06000a
tcp
{"jsonrpc":"2.0","result":6,"id":7}
{"op":"x"}
{"jsonrpc":"2.0","error":{"code":-32601,"message":"no wings","data":{"type":"lab.wings"}},"id":"b"}
42
Remote
heard
exit 0
0247455403 06000a
{"op":"x"}
