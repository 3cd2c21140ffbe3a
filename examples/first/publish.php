<?php
// Publish and subscribe: `publish.php` publishes ten readings a second, `publish.php subscribe` prints three readings.

use Linkspan\Publisher;
use function Linkspan\subscribe;

if (($argv[1] ?? '') === 'subscribe') {
    $count = 0;
    foreach (subscribe('first/publish') as $reading) {
        printf("%.1f °C from %s\n", $reading['celsius'], $reading['from']);
        if (++$count === 3) {
            break;
        }
    }
} else {
    $out = new Publisher('first/publish');
    for ($celsius = 20.0; ; $celsius += 0.1) {
        $out->send(['celsius' => $celsius, 'from' => 'PHP']);
        usleep(100_000);
    }
}
