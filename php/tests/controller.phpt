--TEST--
A controller commands a service: every command, refused commands, failures, time-outs
--EXTENSIONS--
linkspan
posix
--FILE--
<?php
use Linkspan\{Answer, Command, Controller, Outcome, State, View};
require getenv('LINKSPAN_TESTS') . '/peer.inc';
require getenv('LINKSPAN_TESTS') . '/services.inc';

runtime_directory();
$program = controller();
$controller = new Controller(timeout: 60);
echo $controller->endpoint(), ' ', count($controller->services()), " services\n";
$service = service('lab/power');
await_state($controller, 'lab/power', State::Running);
$power = $controller->service('lab/power');
$is = fn () => $power->status()['state'];

$status = $power->status();
echo $status['name'], ' ', View::from($status['view'])->name, ' ', $status['state'], ' ', $status['description'], ' ', $status['pid'] === $service->pid() ? 'its pid' : 'another pid', "\n";
echo implode(' ', $status['commands']), "\n";
echo implode(' ', array_intersect(array_column(Command::cases(), 'value'), $status['allowed'])), "\n";
echo array_column($controller->services(), 'state', 'name')['lab/power'], "\n";

// The result of each command, and the state after it.
echo is_int($power->getData()['rows']) ? 'data' : 'no data', ' ', $is(), "\n";
var_dump($power->pause());
echo $service->line(), ' ', $is(), "\n";
$rows = $power->getData()['rows'];
echo $power->getData()['rows'] === $rows ? 'stands still' : 'goes on', "\n";
fails(fn () => $power->pause());
fails(fn () => $power->checkpoint());
var_dump($power->run());
echo $is(), "\n";
var_dump($power->checkpoint());
echo $service->line(), ' ', $is(), "\n";
echo json_encode($power->config(['every' => 2, 'names' => ['a', 'b']])), ' ', json_encode($power->config()), "\n";
echo json_encode($power->getData()['settings']), "\n";
echo $power->backup('/tmp/copy')['to']['path'], "\n";
echo $power->describe()['name'], "\n";
echo is_array($power->stats()) ? 'stats' : 'no stats', "\n";
echo is_array($power->log()) ? 'log' : 'no log', ' ', count($power->log(lines: 1)), "\n";
echo json_encode($power->command('echo', ['text' => 'ä', 'list' => [1, 2.5, null]])), ' ', var_export($power->command('echo'), true), "\n";
echo is_int($power->command(Command::GetData)['rows']) ? 'data' : 'no data', "\n";
echo $power->command('STATUS')['state'], "\n";

// Commands that fail.
try {
    $power->command('break');
} catch (Linkspan\RemoteException $e) {
    echo $e->getRemoteType(), ' ', $e->getRemoteCode(), ' ', $e->getRemoteText(), "\n";
}
fails(fn () => $power->command('fill'), true);
fails(fn () => $power->command('dance'));
fails(fn () => $power->command('DANCE'));
fails(fn () => $power->command(7));
fails(fn () => $power->command('echo', fopen('php://memory', 'r')));
fails(fn () => $controller->service('lab/powre')->pause());
fails(fn () => $controller->service('lab/powre')->status());
fails(fn () => $controller->log(-1));
echo $is(), "\n";

// A command that takes too long is still under way. It can be cancelled.
fails(fn () => $power->command('dawdle', 60, timeout: 0.3));
echo $service->line(), "\n";
foreach ($controller->watch(['lab/power'], timeout: 60) as $event) {
    if (isset($event['service']['busy'])) break;
}
echo $event['service']['doing'], ' ', is_float($event['service']['busy']) ? 'for some time' : '', "\n";
echo json_encode($power->cancel()), "\n";

// Without waiting for completion.
$answer = $power->command('dawdle', 60, wait: false);
echo get_class($answer), ' ', $answer->outcome->name, ' ', $answer->state->name, ' ', var_export($answer->error, true), "\n";
echo $service->line(), ' ', $power->answer($answer->id)->outcome->name, "\n";
$power->cancel($answer->id);
do $answer = $power->answer($answer->id); while ($answer->outcome === Outcome::Accepted);
echo $answer->outcome->name, ' ', get_class($answer->error), ' ', $answer->error->getMessage(), "\n";
echo json_encode(array_diff_key($answer->jsonSerialize(), ['id' => 1])), "\n";
echo json_encode(Linkspan\decode(Linkspan\encode($answer))) === json_encode($answer) ? 'travels as a map' : 'another map', "\n";
$answer = $power->pause(wait: false);
while ($answer->outcome === Outcome::Accepted) $answer = $power->answer($answer->id);
echo $answer->outcome->name, ' ', $answer->state->name, ' ', var_export($answer->value, true), "\n", $service->line(), "\n";
$answer = $power->pause(wait: false);
echo $answer->outcome->name, ' ', $answer->error->getKind(), "\n";
fails(fn () => $power->answer('never'));

// A command with an id is carried out once; another incarnation refuses it.
for ($i = 0; $i < 2; $i++) {
    $answer = $power->order('form-7', Command::Run, epoch: $power->status()['epoch']);
    echo $answer->id, ' ', $answer->outcome->name, ' ', $power->status()['answered']['done'] - ($done ??= $power->status()['answered']['done']), "\n";
}
echo $power->order('form-8', 'PAUSE', epoch: 1)->outcome->name, ' ', $is(), "\n";
fails(fn () => $power->order('', 'PAUSE'));
fails(fn () => $power->forget());

// A value that memory_limit cannot hold is refused before it is built.
$power->config(['long' => str_repeat('x', 700_000)]);
ini_set('memory_limit', '256M');
while (memory_get_usage(true) - memory_get_usage() > 300_000) $fill[] = str_repeat('y', 4_000); // a page each, so that no gap is too small
ini_set('memory_limit', memory_get_usage(true));
fails(fn () => $power->config());
$answer = $power->config(wait: false);
while ($answer->outcome === Outcome::Accepted) $answer = $power->answer($answer->id);
fails(fn () => $answer->value);
ini_set('memory_limit', '256M');
echo strlen($power->config()['long']), "\n";
$fill = null;

var_dump($power->shutdown());
echo $service->finish();
foreach ($controller->watch(['lab/power'], timeout: 60) as $event) {
    if (($event['service']['view'] ?? '') === View::Gone->value) break;
}
echo $power->status()['state'], ' ', implode(' ', $power->status()['allowed']), "\n";
$power->forget();
fails(fn () => $power->status());
$lines = array_filter($controller->log(), fn ($line) => $line['service'] === 'lab/power' && $line['at'] instanceof Linkspan\Timestamp);
echo implode(', ', array_intersect(['PAUSE DONE', 'break FAILED: asked to fail', 'deregistered, STOPPED'], array_column($lines, 'text'))), "\n";
echo $controller->stats()['services'], " services\n";
posix_kill($program->pid(), 15);
echo $program->finish();
?>
--EXPECTF--
unix:controller 0 services
lab/power Connected RUNNING counts rows its pid
CONFIG BACKUP echo dawdle break fill
GET_DATA PAUSE CHECKPOINT SHUTDOWN STATUS DESCRIBE STATS CONFIG LOG BACKUP CANCEL
RUNNING
data RUNNING
NULL
closed with %d rows PAUSED
stands still
InvalidState
InvalidState
NULL
RUNNING
NULL
checkpointed RUNNING
{"every":2,"names":["a","b"]} {"every":2,"names":["a","b"]}
{"every":2,"names":["a","b"]}
/tmp/copy
lab/power
stats
log 1
{"text":"\u00e4","list":[1,2.5,null]} NULL
data
RUNNING
counter.broken 7 asked to fail
NoSpace: lab/power: the disk is full, let us say
Unsupported
OutOfRange
WrongType at command
Unsupported
NotFound
NotFound
OutOfRange
RUNNING
Timeout
dawdling
dawdle for some time
{"cancelled":"asked"}
Linkspan\Answer Accepted Running NULL
dawdling Accepted
Failed Linkspan\CancelledException dawdling was given up
{"outcome":"FAILED","state":"RUNNING","error":{"code":119,"type":"Cancelled","text":"dawdling was given up"}}
travels as a map
Done Paused NULL
closed with %d rows
Rejected InvalidState
NotFound
form-7 Done 0
form-7 Done 0
Rejected RUNNING
OutOfRange
InvalidState
OutOfMemory
OutOfMemory
700000
NULL
closed with %d rows
stopped
exit 0
STOPPED 
NotFound
PAUSE DONE, break FAILED: asked to fail, deregistered, STOPPED
0 services
exit 0
