<?php
// A controller's client: asks `service` for its data, pauses it, lets it run, and ends it.
declare(strict_types=1);

$counter = (new Linkspan\Controller)->service('lab/counter');
echo $counter->getData()['count'] >= 0 ? "counts\n" : "does not count\n";
$counter->pause();
echo $counter->status()['state'], "\n";
$counter->run();
$counter->shutdown();
