--TEST--
Transports that store messages: a spool with a script in it, a journal that is read again, a file under its lock, a region
--EXTENSIONS--
linkspan
pcntl
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Channel, Publisher, Region, Server};
use function Linkspan\{latest, subscribe};

$directory = scratch_directory();

// A script sends requests to a server through its spool.
$server = Server::serve("spool:$directory/jobs");
$script = proc_open(['bash', '-c', 'echo "{\"n\": 7}" > "$0/.job" && mv "$0/.job" "$0/server/job.json"
    while [ ! -e "$0/client/job.json" ]; do sleep 0.02; done; cat "$0/client/job.json" && rm "$0/client/job.json"', "$directory/jobs"],
    [1 => ['pipe', 'w']], $pipes);
$request = $server->next(30);
echo $request->source, ' ', $request['n'], "\n";
$request->reply(['found' => 42]);
echo trim(stream_get_contents($pipes[1])), ' exit ', proc_close($script), ' left ', count(glob("$directory/jobs/*/*.json")), "\n";
unset($request, $server);

// A journal is read again by number and by time. A named reader continues after its last message.
$out = new Publisher('journal:lab/log', segment_bytes: 65536);
for ($n = 1; $n <= 6; $n++) assert($out->send(['n' => $n]) === $n);
$read = function (int $count, mixed ...$options): array {
    $reader = subscribe('journal:lab/log', ...$options, timeout: 60);
    $got = [];
    while (count($got) < $count) $got[] = $reader->recv();
    return $got;
};
$all = $read(6, from: 'first');
$numbers = fn (array $messages) => implode(' ', array_map(fn ($m) => $m['n'], $messages));
echo $numbers($all), ' | ', $numbers($read(3, from: 4)), ' | ', $numbers($read(1, from: 'newest')), "\n";
assert($read(1, from: $all[2]->sent)[0]->sent >= $all[2]->sent);
$reader = subscribe('journal:lab/log', client_id: 'logger', ack: 'manual', timeout: 60);
$reader->recv();
$reader->recv();
$reader->ack();
$reader->recv();
$reader->close();
unset($reader);
echo $read(1, client_id: 'logger', ack: 'manual')[0]['n'], "\n";

// A server acknowledges requests; unacknowledged requests are delivered again.
$server = Server::serve('spool:lab/work', ack: 'manual');
$near = Channel::connect('spool:lab/work', timeout: 60);
for ($n = 0; $n < 3; $n++) $near->send($n);
$server->next(30)->ack();
assert($server->next(30)->value === 1);
$server->close();
$server = Server::serve('spool:lab/work');
echo $server->next(30)->value, ' ', $server->next(30)->value, "\n";
unset($near, $server);

// Another process holds the lock of a file: the write waits, and on_wait runs.
$out = new Publisher("file:$directory/value", locked: true, framing: 'lines', timeout: 0.05);
$out->send(['n' => 1]);
echo file_get_contents("$directory/value");
$holder = proc_open(['python3', '-c', 'import fcntl, sys
f = open(sys.argv[1], "r+b"); fcntl.lockf(f, fcntl.LOCK_EX); print("held", flush=True); sys.stdin.read()', "$directory/value"],
    [['pipe', 'r'], ['pipe', 'w']], $pipes);
fgets($pipes[1]);
fails(fn () => $out->send(['n' => 2]));
$asked = 0;
$patient = new Publisher("file:$directory/value", locked: true, framing: 'lines', timeout: INF, on_wait: function () use (&$asked) {
    return ++$asked < 2;
});
fails(fn () => $patient->send(['n' => 2]));
$rings = new Publisher("file:$directory/value", locked: true, framing: 'lines', timeout: INF, on_wait: function () {
    throw new DomainException('mine');
});
try { $rings->send(['n' => 2]); } catch (DomainException $e) { echo get_class($e), "\n"; }
pcntl_async_signals(true);
pcntl_signal(SIGALRM, function () { throw new DomainException('alarm'); });
$forever = new Publisher("file:$directory/value", locked: true, framing: 'lines', timeout: INF);
try {
    pcntl_alarm(1);
    $forever->send(['n' => 2]);
} catch (DomainException $e) {
    echo $e->getMessage(), "\n";
}
fclose($pipes[0]);
proc_close($holder);
assert($out->send(['n' => 3]) > 0);
echo latest("file:$directory/value", locked: true, framing: 'lines')['n'], " asked $asked\n";

// Memory of another program.
file_put_contents("$directory/table", pack('Vx4e', 2, 21.5) . str_pad('Gerät', 16, "\0") . pack('v4', 1, 2, 3, 65535) . "\1\2");
$region = new Region("$directory/table");
$got = $region->read('u32 count; f64 celsius; char name[16]; i16 raw[2][2]; bytes blob[2]', counter: 'count');
echo json_encode($got), ' ', count($region), ' ', $region->text(16), ' ', bin2hex($region->bytes(32, 2)), ' ', Region::sizeof('u8 a; f64 b'), "\n";
echo $region->read('i16 x', 38)['x'], ' ', basename($region->source()), "\n";
fails(fn () => $region->bytes(41, 2));
fails(fn () => $region->bytes(-1, 2));
fails(fn () => $region->read('f63 x'));
fails(fn () => new Region('posix:/nobody-has-this'));
$region->close();
fails(fn () => $region->text());
?>
--EXPECT--
job 7
{"found":42} exit 0 left 0
1 2 3 4 5 6 | 4 5 6 | 6
3
1 2
{"n":1}
Stalled
Cancelled
DomainException
alarm
3 asked 2
{"count":2,"celsius":21.5,"name":"Ger\u00e4t","raw":[[1,2],[3,-1]],"blob":"AQI="} 42 Gerät 0100 16
-1 table
OutOfRange
OutOfRange
Malformed
NotFound
InvalidState
