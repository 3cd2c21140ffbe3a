<?php
// A channel: start it twice, in any two languages. The first listens, the second joins it.

use Linkspan\Channel;

$channel = Channel::open('first/channel', timeout: 30.0);
$channel->send(['from' => 'PHP']);
$message = $channel->recv();
echo "the {$channel->role()} received from {$message['from']}\n";
$channel->close();
