--TEST--
A page under `php -S`: latest values, calls over a connection that is kept, uncaught errors, exit in the middle
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/server.inc';

$directory = runtime_directory();
file_put_contents("$directory/.page.php", <<<'PHP'
    <?php
    function ask(mixed $what): mixed
    {
        return Linkspan\Channel::persistent('unix:echo', timeout: 5)->call($what)->value;
    }
    switch ($_GET['do'] ?? '') {
        case '': echo json_encode([Linkspan\latest('unix:reading'), ask('hello'), ask($_SERVER['REQUEST_METHOD'])]); break;
        case 'stats': echo json_encode(Linkspan\Channel::persistent('unix:echo', timeout: 5)->stats()['connections']); break;
        case 'missing': ask(['x' => 1]); Linkspan\latest('unix:reading')->get('a/b'); break;
        case 'exit': Linkspan\Channel::persistent('unix:echo', timeout: 5, on_wait: fn () => exit('left in a wait'))->call('slow'); break;
        case 'fatal': Linkspan\Channel::persistent('unix:echo', timeout: 5, on_wait: fn () => trigger_error('on purpose', E_USER_ERROR))->call('slow');
    }
    PHP);
$out = new Linkspan\Publisher('unix:reading');
$out->send(['celsius' => 21.5]);
$peer = new Peer('$server = Linkspan\Server::serve("unix:echo"); echo "ready\n"; $server->run(function ($request) { if ($request->value === "slow") usleep(300_000); return $request->value; });');
$peer->line();
[$process, $url] = serve("$directory/.page.php", ['html_errors' => 0]);
try {
    echo get($url), "\n";
    $out->send(['celsius' => 22.5]);
    echo get($url), "\n";
    echo preg_match('/PHP Fatal error|Fatal error: Uncaught Linkspan.MissingException/', get("$url?do=missing")) ? "uncaught\n" : "caught\n";
    // However a request ends, the next one can use the connection.
    foreach (['exit', 'fatal', 'exit'] as $do) echo trim(get("$url?do=$do")), "\n";
    echo get($url), "\n", get("$url?do=stats"), " connection\n";
} finally {
    stop($process);
    unlink("$directory/.page.php");
}
posix_kill($peer->pid(), 15);
echo $peer->finish();
unset($out);
?>
--EXPECTF--
[{"celsius":21.5},"hello","GET"]
[{"celsius":22.5},"hello","GET"]
uncaught
left in a wait
Fatal error: on purpose in %s on line %d
left in a wait
[{"celsius":22.5},"hello","GET"]
1 connection
exit 0
