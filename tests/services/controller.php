<?php
// The controller in PHP. See README.md.
declare(strict_types=1);

use function Linkspan\decode;
use function Linkspan\encode;

$controller = new Linkspan\Controller;
while (($line = fgets(STDIN)) !== false) {
    [$service, $command, $within, $arguments] = explode(' ', rtrim($line, "\n"), 4);
    try {
        $value = $controller->service($service)
            ->command($command, decode($arguments, Linkspan\Encoding::Json), timeout: (float) $within);
        echo 'DONE ', encode($value, Linkspan\Encoding::Json), "\n";
    } catch (Linkspan\LinkspanException $why) {
        echo 'ERROR ', $why->getCode(), ' ', preg_replace('/\s+/', ' ', $why->getMessage()), "\n";
    }
}
