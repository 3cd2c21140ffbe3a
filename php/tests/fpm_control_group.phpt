--TEST--
A page in php-fpm without room in its control group gets an exception or the value whole, or its worker alone is killed
--EXTENSIONS--
linkspan
posix
--SKIPIF--
<?php
if (!is_executable('/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION)) echo 'skip needs php-fpm of this version';
require getenv('LINKSPAN_TESTS') . '/fpm/group.inc';
$group = Group::made();
$group?->end();
if (!$group) echo 'skip this system lets us make no control group with a limit on memory';
?>
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/fpm/fpm.inc';
require getenv('LINKSPAN_TESTS') . '/fpm/group.inc';

/** Bytes beyond an idle worker: less than a long value, and than two and three of them. */
const ROOM = [20 << 20, 60 << 20, 100 << 20];

$folder = scratch_directory();
$server = server_of_long_values();
$group = Group::made();
$ended = [];
foreach (ROOM as $room) {
    $name = 'group' . ($room >> 20);
    $fpm = fpm($folder, $name, '-1', 'echo $$ >' . $group->processes());
    try {
        $worker = page($folder, $name, '')['worker'] ?? 0;
        $group->leave_only($room);
        foreach (['latest', 'subscribe', 'call', 'send'] as $op) {
            foreach (['bytes', 'text', 'list'] as $kind) {
                $answer = page($folder, $name, "op=$op&kind=$kind");
                $is_whole = ($answer['bytes'] ?? -1) === ($op === 'send' ? 0 : LENGTH);
                $how = $is_whole ? 'whole' : $answer['error'] ?? (isset($answer['died']) ? 'killed' : 'else');
                if (!in_array($how, ['whole', 'OutOfMemory', 'Lagged', 'killed'])) echo "$name, $op, $kind: ", json_encode($answer), "\n";
                $ended[$how] = ($ended[$how] ?? 0) + 1;
                $next = page($folder, $name, '');
                $is_next = ($next['bytes'] ?? 0) === 5 && ($how === 'killed') !== ($next['worker'] === $worker);
                if (!$is_next) echo "$name, after $op, $kind: $how by $worker, ", json_encode($next), "\n";
                $worker = $next['worker'] ?? $worker;
            }
        }
    } finally {
        proc_terminate($fpm);
        proc_close($fpm);
        $group->leave_all();
    }
    preg_match_all('/.*(segfault|Fatal|panic|alert|emerg).*/i', file_get_contents("$folder/$name.log") . file_get_contents("$folder/$name.err"), $lines);
    if ($lines[0]) echo "$name:\n", implode("\n", $lines[0]), "\n";
}
$group->end();
echo isset($ended['whole']) && count($ended) > 1 ? 'limited' : json_encode($ended), "\n";
?>
--EXPECT--
limited
