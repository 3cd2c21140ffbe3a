<?php
// A worker in PHP with the Rust worker's protocol: see benches/src/worker.rs.
//
// `work.php CASE FAR-PROGRAM` prints `ready` or `absent WHY`, then answers each line `N` with the nanoseconds of one
// operation: the mean of N, then single times. The Rust worker provides the far ends.

declare(strict_types=1);

const BYTES = 1000;
const SINGLES = 200;

/** Runs rounds until standard input ends. */
function serve(Closure $once): void
{
    echo "ready\n";
    while (($line = fgets(STDIN)) !== false) {
        $count = (int) $line;
        for ($i = min(max(intdiv($count, 8), 2), 100); $i > 0; $i--) {
            $once();
        }
        $start = hrtime(true);
        for ($i = 0; $i < $count; $i++) {
            $once();
        }
        $numbers = [round((hrtime(true) - $start) / $count, 1)];
        for ($i = min($count, SINGLES); $i > 0; $i--) {
            $start = hrtime(true);
            $once();
            $numbers[] = hrtime(true) - $start;
        }
        echo implode(' ', $numbers), "\n";
    }
}

/** Starts the other end, which ends with this one. Keep the handle: PHP waits for a process without one. */
function far(string $program, string ...$arguments): mixed
{
    $process = proc_open([$program, 'far', ...$arguments], [['file', '/dev/null', 'r'], STDERR, STDERR], $pipes);
    return $process ?: throw new RuntimeException("starting $program");
}

/** A request of 1 kB over an open channel, and its answer. */
function call(string $transport, string $program): Closure
{
    $endpoint = "$transport:bench-" . getmypid();
    $process = far($program, 'serve', $endpoint, 'together', '0');
    $channel = Linkspan\Channel::connect($endpoint, spin: 0);
    $text = str_repeat('x', BYTES);
    return function () use ($channel, $text, $process): void {
        if (strlen($channel->call($text)->value) !== BYTES) {
            throw new RuntimeException('something else came back');
        }
    };
}

/** As `call`, over PHP's stream socket. */
function socket(string $program): Closure
{
    $path = (getenv('LINKSPAN_DIR') ?: '/tmp') . '/bench-php-' . getmypid();
    $listener = stream_socket_server("unix://$path") ?: throw new RuntimeException("listening at $path");
    $process = far($program, 'bytes', $path, (string) BYTES, 'together');
    $stream = stream_socket_accept($listener, 20.0) ?: throw new RuntimeException('no connection arrived');
    $text = str_repeat('x', BYTES);
    return function () use ($stream, $text, $process): void {
        fwrite($stream, $text);
        for ($left = BYTES; $left > 0; $left -= strlen($part)) {
            $part = fread($stream, $left);
            if ($part === false || $part === '') {
                throw new RuntimeException('the far end has gone');
            }
        }
    };
}

/** As `call`, through PHP's System V queues; the far end removes the queue after this one ends. */
function sysvmsg(string $program): Closure
{
    $key = getmypid();
    $process = proc_open([$program, 'far', 'sysvmsg', (string) $key, (string) BYTES], [['pipe', 'r'], STDERR, STDERR], $pipes);
    $queue = msg_get_queue($key, 0600) ?: throw new RuntimeException('making a queue');
    $text = str_repeat('x', BYTES);
    return function () use ($queue, $text, $process, $pipes): void {
        msg_send($queue, 1, $text, false);
        if (!msg_receive($queue, 2, $type, BYTES, $answer, false) || strlen($answer) !== BYTES) {
            throw new RuntimeException('something else came back');
        }
    };
}

/** As `call`, through a private Redis server on a Unix socket. */
function redis(string $program): Closure
{
    $path = (getenv('LINKSPAN_DIR') ?: '/tmp') . '/bench-php-redis-' . getmypid();
    $command = [$program, 'pinned', 'redis-server', '-'];
    $process = proc_open($command, [['pipe', 'r'], ['file', '/dev/null', 'w'], STDERR], $pipes);
    fwrite($pipes[0], "port 0\nunixsocket $path\nsave \"\"\nappendonly no\n");
    fclose($pipes[0]);
    $redis = new Redis();
    for ($deadline = microtime(true) + 10; ; usleep(5000)) {
        try {
            if ($redis->connect($path)) {
                break;
            }
        } catch (RedisException $error) {
            if (microtime(true) > $deadline) {
                throw $error;
            }
        }
    }
    $text = str_repeat('x', BYTES);
    return function () use ($redis, $text, $process): void {
        if (strlen($redis->echo($text)) !== BYTES) {
            throw new RuntimeException('something else came back');
        }
    };
}

/** Returns an instance of the generated class with these fields. */
function reading(): BoilerReading
{
    require __DIR__ . '/BoilerReading.php';
    return new BoilerReading(...FIELDS);
}

const FIELDS = [
    'id' => 123456, 'name' => 'boiler-7', 'temperature' => 71.25, 'pressure' => 2.125, 'unit' => 'bar', 'ok' => true, 'station' => 'hall/3',
    'count' => 98765, 'time' => 1251082000.25, 'note' => null,
];

/** One direction of a packed record by generated code, or its reference. */
function packed(string $case): Closure
{
    require __DIR__ . '/MotorState.php';
    $fields = [
        'on' => true, 'at' => new Linkspan\Timestamp(1_251_082_000_250_000_000), 'mode' => MotorStateMode::Fast, 'speed' => 49.5, 'current' => 3.25,
        'voltage' => 230.5, 'torque' => 14.75, 'angle' => 0.5, 'turns' => 98_765, 'errors' => 2,
    ];
    $state = new MotorState(...$fields);
    $block = $state->pack();
    if (MotorState::unpack($block) != $state) {
        throw new RuntimeException('generated code reads something else');
    }
    return match ($case) {
        'pack' => fn () => $state->pack(),
        'unpack' => fn () => MotorState::unpack($block),
        'pack-alone' => fn () => pack('Cx7PCx3geeeePVx4', 1, 1_251_082_000_250_000_000, 2, 49.5, 3.25, 230.5, 14.75, 0.5, 98_765, 2),
        'unpack-alone' => fn () => unpack('Con/x7/Pat/Cmode/x3/gspeed/ecurrent/evoltage/etorque/eangle/Pturns/Verrors', $block),
        'construct-packed' => fn () => new MotorState(...$fields),
    };
}

/** One direction of a record by generated code, or its reference. */
function record(string $case): Closure
{
    $reading = reading();
    $array = array_filter(FIELDS, fn ($value) => $value !== null);
    $block = Linkspan\encode($reading);
    $serialized = serialize($reading);
    $out = new Linkspan\Publisher('unix:bench-record-' . getmypid());
    $subscriber = Linkspan\subscribe('unix:bench-record-' . getmypid());
    $out->send($reading);
    $message = $subscriber->recv(20.0);
    if (BoilerReading::decode($message) != $reading || BoilerReading::fromWire(Linkspan\decode($block)) != $reading) {
        throw new RuntimeException('generated code reads something else');
    }
    return match ($case) {
        'encode' => fn () => Linkspan\encode($reading),
        'through-array-encode' => fn () => Linkspan\encode($reading->toWire()),
        'array-encode' => fn () => Linkspan\encode($array),
        'serialize' => fn () => serialize($reading),
        'decode' => fn () => BoilerReading::decode($message),
        'through-array' => fn () => BoilerReading::fromWire(Linkspan\decode($block)),
        'array-decode' => fn () => Linkspan\decode($block),
        'unserialize' => fn () => unserialize($serialized),
        'construct' => fn () => new BoilerReading(...FIELDS),
    };
}

[, $case, $program] = $argv;
$needs = [
    'socket' => [true, ''],
    'sysvmsg' => [function_exists('msg_get_queue'), 'not installed: PHP has no sysvmsg extension'],
    'redis' => [class_exists('Redis') && trim((string) shell_exec('command -v redis-server')) !== '',
        'not installed: apt install php-redis redis-tools'],
];
if (isset($needs[$case]) && !$needs[$case][0]) {
    echo 'absent ', $needs[$case][1], "\n";
    exit;
}
if (!isset($needs[$case]) && !method_exists('Linkspan\Channel', 'call')) {
    echo "absent the extension is not loaded or has no channels\n";
    exit;
}
[$kind, $way] = explode(' ', "$case ");
$once = match (true) {
    isset($needs[$case]) => $case($program),
    $kind === 'record' || $kind === 'packed' => $kind($way),
    default => call($case, $program),
};
$once();
serve($once);
