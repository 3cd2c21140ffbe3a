<?php
// Packs records with one changed field, and prints each outcome: `packed_fields.php FOLDER`. The folder has the
// generated code of
// packed.schema.toml and packed_types.schema.toml.

declare(strict_types=1);

use Linkspan\BigInt;
use Linkspan\NdArray;

[, $folder] = $argv;
require "$folder/MotorState.php";
require "$folder/PackedTypes.php";

$state = MotorState::unpack(str_repeat("\0", MotorState::SIZE));
$types = PackedTypes::unpack(str_repeat("\0", PackedTypes::SIZE));
$words = static fn (int ...$numbers): string => pack('V*', ...$numbers);
$cases = [
    [$state, ['last' => 256]],
    [$state, ['speed' => -32769]],
    [$state, ['waves' => new NdArray('c64', [3], str_repeat("\0", 24))]],
    [$state, ['switches' => new NdArray('u8', [3], "\0\1\0")]],
    [$state, ['place' => new MotorStatePlace(x: 1e300, y: 0.0)]],
    [$types, ['ularge' => new BigInt('18446744073709551616')]],
    [$types, ['columns' => new NdArray('f32', [2, 3], str_repeat("\0", 24))]],
    [$types, ['ularge' => new BigInt('18446744073709551615')]],
    [$types, ['ularge' => new BigInt('9223372036854775808')]],
    [$types, ['either' => new NdArray('i32', [2, 1, 2], $words(11, 12, 21, 22))]],
    // Equal elements in the other order.
    [$types, ['either' => new NdArray('i32', [2, 1, 2], $words(11, 21, 12, 22), 'column')]],
];
foreach ($cases as [$record, $changed]) {
    try {
        $made = (new ($record::class)(...[...get_object_vars($record), ...$changed]))->pack();
        $field = array_key_first($changed);
        $at = ['ularge' => 24, 'either' => 200][$field];
        echo $field, ' ', bin2hex(substr($made, $at, $field === 'ularge' ? 8 : 16)), "\n";
    } catch (Linkspan\LinkspanException $error) {
        echo $error::class, ' ', $error->getMessage(), "\n";
    }
}
