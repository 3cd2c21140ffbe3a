<?php
// Request and reply: `call.php serve` adds up the numbers of each request, `call.php` sends one.

use Linkspan\Channel;
use Linkspan\NdArray;
use Linkspan\Server;

if (($argv[1] ?? '') === 'serve') {
    // The caller gets the exceptions of the function.
    Server::serve('first/call')->run(fn ($request) => [
        'sum' => (float) array_sum($request['numbers']->toArray()),
        'from' => 'PHP',
    ]);
} else {
    $channel = Channel::connect('first/call', timeout: 30.0);
    $reply = $channel->call(['numbers' => NdArray::fromArray([1, 2, 3.5])]);
    printf("the sum is %.1f, says %s\n", $reply['sum'], $reply['from']);
}
