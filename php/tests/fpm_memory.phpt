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

const LENGTH = 40 << 20;
$folder = scratch_directory();

/** Starts php-fpm with one worker, in this much memory as its shell's `ulimit` says. */
function fpm(string $folder, string $name, string $memory_limit, string $ulimit)
{
    file_put_contents("$folder/$name.conf", <<<CONF
        [global]
        error_log = $folder/$name.log
        daemonize = no
        [www]
        user = root
        group = root
        listen = $folder/$name.sock
        pm = static
        pm.max_children = 1
        env[LINKSPAN_DIR] = $folder
        env[MALLOC_MMAP_THRESHOLD_] = 131072
        catch_workers_output = yes
        php_admin_value[memory_limit] = $memory_limit
        CONF);
    $command = ['/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION, '-R', '-n', '-y', "$folder/$name.conf", '-d', 'extension=' . getenv('LINKSPAN_EXTENSION')];
    $server = proc_open(['sh', '-c', "$ulimit; exec \"\$@\"", 'sh', ...$command], [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', "$folder/$name.err", 'w']], $pipes, '/', ['MALLOC_MMAP_THRESHOLD_' => '131072', 'LINKSPAN_DIR' => $folder]);
    for ($tries = 0; !($stream = @stream_socket_client("unix://$folder/$name.sock")); $tries++) {
        if ($tries === 500) throw new RuntimeException("nobody listens at $name: " . file_get_contents("$folder/$name.err") . @file_get_contents("$folder/$name.log"));
        usleep(20_000);
    }
    fclose($stream);
    return $server;
}

/** Has a page run by FastCGI, and returns what it says. */
function page(string $folder, string $name, string $query): array
{
    $text = fn (string $text) => (strlen($text) < 128 ? chr(strlen($text)) : pack('N', strlen($text) | 1 << 31));
    $parameters = '';
    foreach (['SCRIPT_FILENAME' => getenv('LINKSPAN_TESTS') . '/fpm/memory.php', 'REQUEST_METHOD' => 'GET', 'QUERY_STRING' => $query] as $key => $value) {
        $parameters .= $text($key) . $text($value) . $key . $value;
    }
    $record = fn (int $type, string $content) => pack('CCnnCC', 1, $type, 1, strlen($content), 0, 0) . $content;
    $stream = stream_socket_client("unix://$folder/$name.sock");
    stream_set_timeout($stream, 120);
    fwrite($stream, $record(1, pack('nCx5', 1, 0)) . $record(4, $parameters) . $record(4, '') . $record(5, ''));
    $answer = '';
    while (strlen($head = (string) stream_get_contents($stream, 8)) === 8) {
        ['type' => $type, 'length' => $length, 'padding' => $padding] = unpack('Cversion/Ctype/nid/nlength/Cpadding', $head);
        $content = $length ? stream_get_contents($stream, $length) : '';
        if ($padding) stream_get_contents($stream, $padding);
        if ($type === 6) $answer .= $content;
    }
    return json_decode(explode("\r\n\r\n", $answer, 2)[1] ?? '', true) ?? ['died' => $answer];
}

$server = new Peer(<<<'CODE'
    ini_set('memory_limit', '-1');
    $values = [
        'bytes' => new Linkspan\Bytes(str_repeat('b', 40 << 20)), 'text' => str_repeat('t', 40 << 20),
        'list' => array_fill(0, (40 << 20) >> 8, str_repeat('l', 256)), 'short' => 'short', 'sent' => '',
    ];
    $names = [];
    foreach ($values as $kind => $value) {
        $names[$kind] = new Linkspan\Publisher("lab/$kind");
        $names[$kind]->send(['v' => $value]);
    }
    $server = Linkspan\Server::serve('lab/memory');
    echo "ready\n";
    $server->run(fn (Linkspan\Request $request) => ['v' => $values[$request['kind']]]);
    CODE);
echo $server->line(), "\n";
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
ready
memory_limit: refused
ulimit: refused
