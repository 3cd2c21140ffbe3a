<?php
// The peer in PHP. See README.md. The environment variable GENERATED names the folder of the generated code.

declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\Server;

require getenv('GENERATED') . '/GridEverything.php';

[, $endpoint, $encoding] = $argv;
$next = isset($argv[3]) ? Channel::connect($argv[3], encoding: $encoding, timeout: 60.0) : null;
$server = Server::serve($endpoint, encoding: $encoding, timeout: 60.0);
echo "ready\n";
foreach ($server as $request) {
    if ($request->value === null) {
        $request->reply(null);
        break;
    }
    try {
        $value = GridEverything::decode($request);
        if ($next !== null) {
            $value = GridEverything::decode($next->call($value));
        }
        // Other languages check both ways to send an instance: the instance itself goes to the next peer, and its value
        // into the reply.
        $request->reply($value->toWire());
    } catch (LinkspanException $error) {
        $request->fail($error->getMessage(), type: preg_replace('/^Linkspan.(.*)Exception$/', '$1', $error::class));
    }
}
$server->close();
