--TEST--
An instance that does not fit memory_limit is OutOfMemory, and never a fatal error
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/server.inc';

$page = sys_get_temp_dir() . '/linkspan_instances_memory_' . getmypid() . '.php';
file_put_contents($page, <<<'PHP'
    <?php
    final class Text {
        public const LINKSPAN_FIELDS = ['v' => [['v'], 'text']];
        public function __construct(public readonly mixed $v) {}
    }
    $out = new Linkspan\Publisher('unix:instances-memory-' . getmypid());
    ini_set('memory_limit', '8M');
    $block = str_repeat('x', 3_000_000);
    $out->send(new Text($block));
    $message = Linkspan\latest('unix:instances-memory-' . getmypid());
    echo 'sent';
    try {
        while (true) $kept[] = Linkspan\decode_instance(Text::class, $message);
    } catch (Linkspan\OutOfMemoryException $e) {
        echo ' full';
    }
    PHP);
[$process, $url] = serve($page);
try {
    // One process answers both requests.
    for ($i = 0; $i < 2; $i++) {
        $text = get($url);
        echo $text, "\n";
    }
} finally {
    stop($process);
    unlink($page);
}
?>
--EXPECT--
sent full
sent full
