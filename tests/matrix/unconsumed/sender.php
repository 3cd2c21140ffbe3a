<?php
// Sends 1,000 messages, flushes to learn the consumed number, and ends without close.
$channel = Linkspan\connect($argv[1]);
for ($i = 0; $i < 1000; $i++) {
    $channel->send(['i' => $i]);
}
try {
    $channel->flush(timeout: 0.05);
    exit(3);
} catch (Linkspan\TimeoutException $error) {
    echo $error->getMissed(), "\n";
}
fgets(STDIN);
