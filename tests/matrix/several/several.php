<?php
// Subscribes to several names and prints name and number of each message, then the newest messages of a pattern.
declare(strict_types=1);

$subscriber = Linkspan\subscribe(array_slice($argv, 1));
echo "ready\n";
for ($i = 0; $i < 3; $i++) {
    $message = $subscriber->recv(60.0);
    echo $message->name, ' ', $message['i'], "\n";
}
$message = Linkspan\latest('several/*', timeout: 60.0);
echo $message->name, ' ', $message['i'], "\n";
