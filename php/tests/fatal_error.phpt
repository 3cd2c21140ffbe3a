--TEST--
memory_limit is reached by values: an exception, the process continues, and no memory of Rust leaks, also when the script then ends in PHP's own error
--EXTENSIONS--
linkspan
--FILE--
<?php
// One process of `php -S` serves many requests. Each reaches the limit inside decode(), and then ends in a fatal error
// of PHP with the values that it keeps. If each leaked its Rust memory, the process would grow by over 10 MB per
// request.
require getenv('LINKSPAN_TESTS') . '/server.inc';

$page = sys_get_temp_dir() . '/linkspan_fatal_' . getmypid() . '.php';
file_put_contents($page, <<<'PHP'
    <?php
    function rss(): int { preg_match('/VmRSS:\s+(\d+)/', file_get_contents('/proc/self/status'), $m); return (int) $m[1]; }
    if (isset($_GET['rss'])) { echo rss(); exit; }
    ini_set('memory_limit', '8M');
    // 30,000 strings take 1.7 MB with their list: some fit, and the next reaches the limit.
    $count = (int) ($_GET['count'] ?? 30000);
    $bytes = "\x9a" . pack('N', $count) . str_repeat("\x68textuell", $count);
    try {
        while (true) $values[] = Linkspan\decode($bytes);
    } catch (Linkspan\OutOfMemoryException $e) {
        echo get_class($e), ' after ', count($values ?? []);
    }
    if (isset($_GET['fatal'])) str_repeat('x', 8 << 20);
    PHP);
[$process, $url] = serve($page);
try {
    echo get("$url?count=250000"), "\n";
    $fatal = 0;
    for ($i = 0; $i < 5; $i++) $fatal += preg_match('/^Linkspan.OutOfMemoryException after [1-9]\b.*Allowed memory size of 8388608 bytes exhausted/s', $text = get("$url?fatal"));
    echo $fatal === 5 ? "exceptions, then fatal errors\n" : "$text\n";
    $before = (int) get("$url?rss");
    for ($i = 0; $i < 20; $i++) get("$url?fatal");
    $grown = (int) get("$url?rss") - $before;
    echo $grown < 60_000 ? "memory is given back\n" : "grew by $grown kB in 20 requests\n";
} finally {
    stop($process);
    unlink($page);
}
?>
--EXPECT--
Linkspan\OutOfMemoryException after 0
exceptions, then fatal errors
memory is given back
