<?php
// Decodes the next and the newest message of a name: `decode.php ENDPOINT [SCHEMA]` prints each value, or the error's
// kind and text.

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
