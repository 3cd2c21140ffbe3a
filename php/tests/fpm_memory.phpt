--TEST--
A page in php-fpm without memory for a long value gets an exception or the value whole, and its worker serves the next page
--EXTENSIONS--
linkspan
posix
--SKIPIF--
<?php
if (!is_executable('/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION)) echo 'skip needs php-fpm of this version';
?>
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/fpm/fpm.inc';

$folder = scratch_directory();
$server = server_of_long_values();
foreach (['memory_limit' => ['32M', 'true'], 'ulimit' => ['-1', 'ulimit -d 60000']] as $name => [$limit, $ulimit]) {
    $fpm = fpm($folder, $name, $limit, $ulimit);
    try {
        $worker = page($folder, $name, '')['worker'] ?? 0;
        $ended = [];
        foreach (['latest', 'subscribe', 'call', 'send'] as $op) {
            foreach (['bytes', 'text', 'list'] as $kind) {
                $answer = page($folder, $name, "op=$op&kind=$kind");
                $is_whole = ($answer['bytes'] ?? -1) === ($op === 'send' ? 0 : LENGTH);
                if (!$is_whole && !in_array($answer['error'] ?? '', ['OutOfMemory', 'Lagged'])) echo "$name, $op, $kind: ", json_encode($answer), "\n";
                $ended[$is_whole ? 'whole' : $answer['error'] ?? 'else'] = true;
                $next = page($folder, $name, '');
                if ($next !== ['worker' => $worker, 'bytes' => 5]) echo "$name, after $op, $kind: ", json_encode($next), "\n";
                $worker = $next['worker'] ?? $worker;
            }
        }
        echo $name, ': ', isset($ended['OutOfMemory']) ? 'refused' : json_encode($ended), "\n";
    } finally {
        proc_terminate($fpm);
        proc_close($fpm);
    }
    if (preg_match_all('/.*(signal|segfault|Fatal|panic|alert|emerg).*/i', file_get_contents("$folder/$name.log") . file_get_contents("$folder/$name.err"), $lines)) echo "$name:\n", implode("\n", $lines[0]), "\n";
}
?>
--EXPECT--
memory_limit: refused
ulimit: refused
