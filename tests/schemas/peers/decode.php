<?php
// Decodes the next message of a name, and the newest: `decode.php ENDPOINT [SCHEMA]` prints the value or the kind and text of the error of each.

declare(strict_types=1);

use function Linkspan\{latest, subscribe};

require getenv('GENERATED') . '/Meter.php';

function decoded(Linkspan\Message $message): void
{
    try {
        printf("%.1f\n", Meter::decode($message)->pressure);
    } catch (Linkspan\SchemaMismatchException $error) {
        echo 'SchemaMismatch ', $error->getMessage(), "\n";
    }
}

$options = ['timeout' => 60.0] + (isset($argv[2]) ? ['schema' => $argv[2]] : []);
$reader = subscribe($argv[1], ...$options);
decoded($reader->recv());
decoded(latest($argv[1], ...$options));
