--TEST--
After a fork: objects of the parent are refused in the child and continue in the parent; the child creates its own
--EXTENSIONS--
linkspan
pcntl
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Listener, Publisher, Server};
use function Linkspan\{latest, subscribe};

runtime_directory();
foreach (['unix', 'shm'] as $transport) {
    echo "$transport\n";
    $out = new Publisher("$transport:reading");
    $out->send(1);
    $in = subscribe("$transport:reading", timeout: 10);
    $in->recv();
    $listener = Listener::listen("$transport:pair");
    $a = Channel::persistent("$transport:pair", timeout: 10);
    $b = $listener->accept();
    latest("$transport:reading");
    $child = pcntl_fork();
    if ($child === 0) {
        ob_start();
        foreach ([fn () => $out->send(2), fn () => $in->recv(0), fn () => $a->send(2), fn () => $listener->accept(0)] as $do) fails($do);
        // With the same name and options, the child gets a separate connection.
        echo latest("$transport:reading")->value, ' ', Channel::persistent("$transport:pair", timeout: 10)->send('from the child'), "\n";
        $own = new Publisher("$transport:child");
        $own->send('mine');
        echo latest("$transport:child")->value, "\n";
        unset($out, $in, $listener, $a, $b, $own);
        exit(3);
    }
    // The child's connection waits for accept; the parent's is not affected.
    $heard = $listener->accept(10)->recv(10)->value;
    pcntl_waitpid($child, $status);
    echo $heard, "\n";
    echo 'exit ', pcntl_wexitstatus($status), "\n";
    $out->send('still here');
    echo $in->recv()->value, ' ', latest("$transport:reading")->value, "\n";
    $a->send('and I');
    echo $b->recv()->value, "\n";
    unset($out, $in, $listener, $a, $b);
}
?>
--EXPECT--
unix
InvalidState
InvalidState
InvalidState
InvalidState
1 1
mine
from the child
exit 3
still here still here
and I
shm
InvalidState
InvalidState
InvalidState
InvalidState
1 1
mine
from the child
exit 3
still here still here
and I
