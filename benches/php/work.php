<?php
// A worker in PHP: the same protocol as the one in Rust, see benches/src/worker.rs.
//
// `work.php CASE FAR-PROGRAM` prints `ready` or `absent WHY`, then answers each line `N` with the nanoseconds of one
// operation: the mean of N in one go, then single ones. The far ends are those of the Rust worker.

declare(strict_types=1);

const BYTES = 1000;
const SINGLES = 200;

/** Does rounds until standard input ends. */
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

/** Starts the other end, which ends with this one. The handle has to be kept: PHP waits for a process it forgets. */
function far(string $program, string ...$arguments): mixed
{
    $process = proc_open([$program, 'far', ...$arguments], [['file', '/dev/null', 'r'], STDERR, STDERR], $pipes);
    return $process ?: throw new RuntimeException("starting $program");
}

/** A request of 1 kB to a server over a channel that stays open from one use to the next, and its answer. */
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

/** The same bytes to and fro over PHP's own stream socket. */
function socket(string $program): Closure
{
    $path = (getenv('LINKSPAN_DIR') ?: '/tmp') . '/bench-php-' . getmypid();
    $listener = stream_socket_server("unix://$path") ?: throw new RuntimeException("listening at $path");
    $process = far($program, 'bytes', $path, (string) BYTES, 'together');
    $stream = stream_socket_accept($listener, 20.0) ?: throw new RuntimeException('nobody came');
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

[, $case, $program] = $argv;
if ($case !== 'socket' && !method_exists('Linkspan\Channel', 'call')) {
    echo "absent the extension is not loaded or has no channels\n";
    exit;
}
$once = $case === 'socket' ? socket($program) : call($case, $program);
$once();
serve($once);
