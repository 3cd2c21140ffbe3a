--TEST--
At the edge of memory_limit a value is an exception or whole, never the end of the script, and is refused only where there is no room
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{BigInt, Bytes, NdArray, OutOfMemoryException, Publisher};
use function Linkspan\{decode, encode, latest, transcode};

runtime_directory();
$seed = (int) (getenv('LINKSPAN_SEED') ?: random_int(1, 1 << 30));
echo "seed $seed\n";
mt_srand($seed);
const PAGE = 4096, CHUNK = 2 << 20;

/** Takes a value with so many free bytes, or reports an error; returns whether it was taken. */
function attempt(string $what, callable $take, callable $is_whole, int $most, int $room): bool
{
    gc_mem_caches();
    $limit = memory_get_usage(true) + $room;
    ini_set('memory_limit', (string) $limit);
    try {
        $value = $take();
        if (memory_get_usage(true) > $limit) echo "$what: PHP has more than the limit\n";
        if (!$is_whole($value)) echo "$what: not whole\n";
        $taken = true;
    } catch (OutOfMemoryException $error) {
        if (!preg_match('/memory_limit leaves|that memory_limit leaves/', $error->getMessage())) echo "$what: {$error->getMessage()}\n";
        if ($most <= $room) echo "$what: refused, and $most bytes fit into $room\n";
        $taken = false;
    }
    if (ini_get('memory_limit') !== (string) $limit) echo "$what: the limit is another one\n";
    unset($value);
    ini_set('memory_limit', '-1');
    return $taken;
}

$taken = $refused = 0;
$maps = new Publisher('unix:edge-maps');
$texts = new Publisher('unix:edge-texts');
$sent = function (Publisher $out, mixed $value): Linkspan\Message {
    $number = $out->send($value);
    do $message = latest($out->endpoint()); while ($message->sequence < $number);
    return $message;
};
for ($round = 0; $round < 5; $round++) {
    $length = $round === 0 ? 8_000_000 : mt_rand(1, mt_rand(0, 3) ? 9_000_000 : 3 * CHUNK);
    $count = mt_rand(1, 20_000);
    $message = $sent($maps, ['b' => new Bytes(str_repeat('b', $length)), 't' => str_repeat('t', $length), 'l' => array_fill(0, $count, 1.5), 'm' => array_fill_keys(range(1_000, 999 + $count), 'text')]);
    $text = $sent($texts, str_repeat('t', $length));
    $array = new NdArray('u8', [$length >> 4, 1], str_repeat("\1", $length >> 4));
    $complex = new NdArray('c128', [$count], str_repeat("\0", 16 * $count));
    $large = new NdArray('u64', [$count], str_repeat("\xff", 8 * $count));
    $encoded = encode(new Bytes(str_repeat('b', $length)));
    $bytes = decode($encoded);
    // A PHP string has a head of 24 bytes and a final zero. It takes pages of a chunk, or separate pages if longer.
    $string = max(CHUNK, intdiv($length + 25 + 7 + PAGE - 1, PAGE) * PAGE);
    $is_string = fn ($value) => strlen($value) === $length;
    $is_list = fn ($value) => count($value) === $count;
    $takes = [
        'bytes' => [fn () => $message['b']->data, $is_string, $string],
        'shown bytes' => [fn () => (string) $bytes, $is_string, $string],
        'text' => [fn () => $message['t'], $is_string, $string],
        'text by path' => [fn () => $message->get('t'), $is_string, $string],
        'text alone' => [fn () => $text->value, $is_string, $string],
        'base64' => [fn () => $bytes->jsonSerialize(), fn ($value) => strlen($value) === 4 * intdiv($length + 2, 3), 2 * $string],
        'encode' => [fn () => encode($bytes), fn ($value) => strlen($value) === strlen($encoded), $string + PAGE],
        'transcode' => [fn () => transcode($encoded, 'cbor', 'cbor'), fn ($value) => $value === $encoded, $string + PAGE],
        'list' => [fn () => $message['l'], $is_list, 64 * $count + 3 * CHUNK],
        'map' => [fn () => $message['m'], $is_list, 256 * $count + 3 * CHUNK],
        'all' => [fn () => $message->value, fn ($value) => count($value) === 4, 320 * $count + 2 * $string + 4 * CHUNK],
        'nested' => [fn () => $array->toArray(), fn ($value) => count($value) === $length >> 4, 32 * $length + 3 * CHUNK],
        'complex' => [fn () => $complex->toArray(), $is_list, 400 * $count + 3 * CHUNK],
        'large' => [fn () => $large->jsonSerialize(), $is_list, 800 * $count + 4 * CHUNK],
        'items' => [fn () => $message->getIterator(), fn ($value) => count($value) === 4, 400 * $count + 2 * $string + 4 * CHUNK],
        'json' => [fn () => (string) $text, fn ($value) => strlen($value) === $length + 2, 8 * $string + 3 * CHUNK],
    ];
    foreach ($takes as $what => [$take, $is_whole, $most]) {
        // Near the edge of a page, or anywhere.
        $rooms = [mt_rand(0, 2 * $length), $most, max(0, $most - PAGE), max(0, $length + mt_rand(-3 * PAGE, 3 * PAGE)), mt_rand(0, 5) * CHUNK];
        foreach ($rooms as $room) {
            attempt("$what of $length or $count", $take, $is_whole, $most, $room) ? $taken++ : $refused++;
        }
    }
}
echo $taken > 50 && $refused > 50 ? "taken and refused\n" : "$taken taken, $refused refused\n";
unset($maps, $texts, $message, $text, $takes, $take);
?>
--EXPECTF--
seed %d
taken and refused
