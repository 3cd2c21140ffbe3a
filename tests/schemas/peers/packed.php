<?php
// Reads a CBOR message into the generated packed record and writes it back: `packed.php FOLDER CLASS IN OUT`.

declare(strict_types=1);

[, $folder, $class, $before, $after] = $argv;
require "$folder/$class.php";
try {
    $made = Linkspan\encode($class::fromWire(Linkspan\decode(file_get_contents($before)))->toWire());
} catch (Linkspan\LinkspanException $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
file_put_contents($after, $made);
