--TEST--
Without memory of the system for it, a long value is an exception, never the end of the script; a message stays the next one
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Bytes, Channel, Listener, NdArray, OutOfMemoryException};
use function Linkspan\{decode, encode, transcode};

runtime_directory();
ini_set('memory_limit', '-1');
// The library keeps no block of that length for later, and a copy of one does not fit.
const LENGTH = 40 << 20, ROOM = 12 << 20;

/** Calls this while the process may take only ROOM more bytes; returns its result, or false without memory. */
function in_room(callable $do): mixed
{
    gc_collect_cycles();
    gc_mem_caches();
    preg_match('/VmData:\s+(\d+)/', file_get_contents('/proc/self/status'), $data);
    [$soft, $hard] = [posix_getrlimit()['soft data'], posix_getrlimit()['hard data']];
    $number = fn ($limit) => $limit === 'unlimited' ? POSIX_RLIMIT_INFINITY : $limit;
    posix_setrlimit(POSIX_RLIMIT_DATA, $data[1] * 1024 + ROOM, $number($hard));
    try {
        return $do();
    } catch (OutOfMemoryException) {
        return false;
    } finally {
        posix_setrlimit(POSIX_RLIMIT_DATA, $number($soft), $number($hard));
    }
}

/** Reports the outcome. */
function refused(string $what, callable $do): void
{
    if (in_room($do) !== false) echo "$what: done\n";
}

$string = str_repeat('s', LENGTH);
refused('bytes', fn () => new Bytes($string));
refused('array', fn () => new NdArray('u8', [LENGTH], $string));
$bytes = new Bytes($string);
$array = new NdArray('u8', [LENGTH], $string);
$list = array_fill(0, intdiv(LENGTH, 200), str_repeat('y', 200));
foreach (['cbor', 'json', 'bson', 'smile'] as $encoding) {
    refused("encode a string, $encoding", fn () => encode(['v' => $string], encoding: $encoding));
    refused("encode bytes, $encoding", fn () => encode(['v' => $bytes], encoding: $encoding));
    refused("encode an array, $encoding", fn () => encode(['v' => $array], encoding: $encoding));
    refused("encode a list, $encoding", fn () => encode(['v' => $list], encoding: $encoding));
}
$encoded = encode(['v' => $bytes]);
refused('decode', fn () => decode($encoded));
refused('transcode', fn () => transcode($encoded, 'cbor', 'smile'));
echo strlen((string) decode($encoded)['v']), "\n";
unset($encoded);

$listener = Listener::listen('shm:memory/test');
$one = Channel::connect('shm:memory/test', timeout: 60.0);
$two = $listener->accept(60.0);
$one->send(0);
$two->recv(60.0);
foreach (['bytes' => $bytes, 'string' => $string, 'array' => $array, 'list' => $list] as $what => $value) {
    // It is in a slot, outside the limited memory.
    $one->send(['v' => $value], 60.0);
    $one->send($what, 60.0);
    if ($what !== 'array') {
        refused("receive, $what", fn () => $two->recv(60.0));
        refused("try to receive, $what", fn () => $two->tryRecv());
    }
    $got = $two->recv(60.0);
    echo $two->recv(60.0)->value, ': ', is_countable($got['v']) ? count($got['v']) : strlen((string) $got['v']), "\n";
    unset($got);
}
unset($one, $two, $listener);
?>
--EXPECT--
41943040
bytes: 41943040
string: 41943040
array: 41943040
list: 209715
