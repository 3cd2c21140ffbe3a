<?php
// Opens a publisher with the schema in a file: `open.php PATH` prints the status and the error's text.

declare(strict_types=1);

try {
    (new Linkspan\Publisher('unix:refused/php', schema: $argv[1]))->close();
    echo "0 \n";
} catch (Linkspan\LinkspanException $error) {
    echo $error->getCode(), ' ', $error->getMessage(), "\n";
}
