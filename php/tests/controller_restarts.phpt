--TEST--
The controller is killed and restarted: objects continue; without a controller a call ends within its time-out
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
use Linkspan\{Controller, Outcome, State};
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/services.inc';

runtime_directory();
// Before a controller listens, the constructor waits for its time-out.
fails(fn () => new Controller(timeout: 0.2));
fails(fn () => new Controller('unix:elsewhere', timeout: 0));
fails(fn () => new Controller('unix:a b'));

$service = service('power', 'paused');
$program = controller();
$controller = new Controller(timeout: 60);
await_state($controller, 'power', State::Ready);
$power = $controller->service('power');
$power->run();
$power->pause();
echo str_starts_with($service->line(), "closed with") ? "closed\n" : "not closed\n";
$epoch = (string) $power->status()['epoch'];
$watch = $controller->watch(timeout: 60);

for ($i = 0; $i < 3; $i++) {
    $program->kill();
    fails(fn () => $power->getData(timeout: 0.2));
    $program = controller();
    // The new controller starts without services. The command waits for the service.
    echo is_int($power->getData()['rows']) ? 'data' : 'no data', ' ', $power->status()['state'], "\n";
}
echo (string) $power->status()['epoch'] === $epoch ? 'the same incarnation' : 'another incarnation', "\n";

// An earlier watch receives later events.
$power->run();
foreach ($watch as $event) {
    if ($event['what'] === 'service' && $event['service']['state'] === 'RUNNING') break;
}
echo "seen\n";

// The service is killed. Commands wait for it until the deadline, or for a new service with its name.
$service->kill();
// The controller answers before the deadline, to be in time on a slow machine.
fails(fn () => $power->getData(timeout: 3));
// The command arrives before the service, and waits until the service has started.
$service = new Peer(['sh', '-c', 'sleep 1; exec "$0" power', getenv('LINKSPAN_SERVICE')]);
echo is_int($power->getData()['rows']) ? 'data' : 'no data', "\n";
echo (string) $power->status()['epoch'] === $epoch ? 'the same incarnation' : 'another incarnation', "\n";

// Calls on a closed object fail; a new object has a separate connection.
$controller->close();
fails(fn () => $power->status());
echo (new Controller(timeout: 60))->service('power')->status()['state'], "\n";
posix_kill($service->pid(), 15);
echo $service->finish();
posix_kill($program->pid(), 15);
echo $program->finish();
?>
--EXPECTF--
NotFound
NotFound
InvalidEndpoint
closed
Disconnected
data PAUSED
Disconnected
data PAUSED
Disconnected
data PAUSED
the same incarnation
seen
Disconnected
data
another incarnation
InvalidState
RUNNING
closed with %d rows
stopped
exit 0
exit 0
