--TEST--
Pages under `php -S` with a controller: after any end of a request the next one finds the worker's connection in order
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
use Linkspan\{Controller, State};
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/server.inc';
require getenv('LINKSPAN_TESTS') . '/services.inc';

$directory = runtime_directory();
file_put_contents("$directory/.page.php", <<<'PHP'
    <?php
    function power(?callable $on_wait = null): Linkspan\ServiceHandle
    {
        return (new Linkspan\Controller(timeout: 60, on_wait: $on_wait))->service('power');
    }
    switch ($_GET['do'] ?? '') {
        case '': echo json_encode([power()->status()['state'], power()->command('echo', ['ä' => 1])]); break;
        case 'exit': power(fn () => exit('left in a wait'))->command('dawdle', 60); break;
        case 'fatal': power(fn () => trigger_error('on purpose', E_USER_ERROR))->command('dawdle', 60); break;
        case 'cancel': echo json_encode(power()->cancel()); break;
        case 'stream':
            foreach ((new Linkspan\Controller(timeout: 60))->watch(['power']) as $event) exit($event['service']['name']);
        case 'clients': echo (new Linkspan\Controller(timeout: 60))->stats()['clients'];
    }
    PHP);
$program = controller();
$service = service('power');
$controller = new Controller(timeout: 60);
await_state($controller, 'power', State::Running);
[$process, $url] = serve("$directory/.page.php", ['html_errors' => 0]);
try {
    echo get($url), "\n";
    foreach (['exit', 'fatal', 'exit'] as $do) {
        echo trim(get("$url?do=$do")), "\n", $service->line(), ' ', get("$url?do=cancel"), "\n";
    }
    echo get("$url?do=stream"), "\n", get($url), "\n";
    // The connections of this program and of the page.
    echo get("$url?do=clients"), " clients\n";
} finally {
    stop($process);
    unlink("$directory/.page.php");
}
posix_kill($service->pid(), 15);
echo $service->finish();
posix_kill($program->pid(), 15);
echo $program->finish();
?>
--EXPECTF--
["RUNNING",{"\u00e4":1}]
left in a wait
dawdling {"cancelled":"asked"}
Fatal error: on purpose in %s on line %d
dawdling {"cancelled":"asked"}
left in a wait
dawdling {"cancelled":"asked"}
power
["RUNNING",{"\u00e4":1}]
2 clients
closed with %d rows
stopped
exit 0
exit 0
