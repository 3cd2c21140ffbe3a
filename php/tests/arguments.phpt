--TEST--
A wrong argument says which type is expected and which one was given; objects without a form are refused by name with what to give
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\{Decimal, NdArray, Publisher, Timestamp, Uuid};
use function Linkspan\{connect, encode, latest, subscribe};

function told(callable $do): void
{
    try {
        $do();
        echo "accepted\n";
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
runtime_directory();
told(fn () => connect([]));
told(fn () => connect(new DateTime));
told(fn () => connect(endpoint: null));
told(fn () => new Timestamp('x'));
told(fn () => subscribe('unix:a')->recv('soon'));
told(fn () => subscribe('unix:a')->recvMany(max: [1]));
told(fn () => NdArray::fromArray(5));
told(fn () => NdArray::fromArray([1], 7.5));
told(fn () => new Decimal(true));
foreach ([['timeout' => 'abc'], ['timeout' => []], ['timeout' => true], ['on_unconsumed' => 5], ['on_wait' => 'no such function'], ['on_wait' => new DateTime]] as $options) {
    told(fn () => connect('unix:a', ...$options));
}
told(fn () => connect());
told(fn () => throw new TypeError('Invalid value given for argument `mine`.'));
// Engine errors of the program itself stay unchanged.
told(fn () => strlen([]));
echo "---\n";
// Text that is not UTF-8: endpoints, paths, options, one of several names.
told(fn () => connect("\xff"));
told(fn () => connect("unix:lab/\xe9t\xe9"));
told(fn () => Linkspan\Channel::open(str_repeat('long/', 20) . "\xff" . str_repeat('/long', 20)));
told(fn () => new Publisher("lab/\xff"));
told(fn () => latest("lab/\xff"));
told(fn () => subscribe("lab/\xff"));
told(fn () => subscribe(['unix:a', "lab/\xff"]));
told(fn () => subscribe(['unix:a', 5]));
told(fn () => new Linkspan\Region("path:/dev/shm/\xff"));
told(fn () => new Decimal("1\xff"));
told(fn () => NdArray::fromArray([1], "f\xff"));
told(fn () => new Linkspan\Controller("lab/\xff"));
told(fn () => new Linkspan\ControllerPage("/run/\xff"));
told(fn () => Linkspan\schema("lab/\xff"));
told(fn () => connect('unix:a', client_id: "caf\xe9"));
told(fn () => connect('unix:a', ...['group' => "caf\xe9"]));
echo "---\n";
class Reading implements JsonSerializable { public function jsonSerialize(): mixed { throw new Exception('never called'); } }
class Walked implements IteratorAggregate { public function getIterator(): Iterator { throw new Exception('never called'); } }
class Span extends DateInterval {}
told(fn () => encode(['v' => new Reading]));
told(fn () => encode(['v' => new Walked]));
told(fn () => encode(['v' => new ArrayObject([1])]));
told(fn () => encode(['v' => (function () { yield 1; })()]));
told(fn () => encode(['v' => new Span('P1D')]));
$deep = []; $deep['again'] = &$deep;
told(fn () => encode($deep));
echo "---\n";
$out = new Publisher('unix:lab/power');
told(fn () => new Publisher('unix:lab/power'));
$out->send(1);
$again = Linkspan\publisher('unix:lab/power', replace: true);
told(fn () => $out->send(2));
echo $again->send(2), ' ', latest('unix:lab/power'), "\n";
told(fn () => latest('unix:lab/powr'));
$names = array_values(array_filter(Linkspan\names(), fn ($name) => str_starts_with($name['endpoint'], 'unix:')));
echo count($names), ' ', $names[0]['endpoint'], ' ', $names[0]['pattern'], ' ', $names[0]['program'], ' ', $names[0]['pid'] === getmypid() ? 'own' : 'other', "\n";
$again->close();
?>
--EXPECTF--
TypeError: Linkspan\connect(): Argument #1 ($endpoint) must be of type string, array given
TypeError: Linkspan\connect(): Argument #1 ($endpoint) must be of type string, DateTime given
TypeError: Linkspan\connect(): Argument #1 ($endpoint) must be of type string, null given
TypeError: Linkspan\Timestamp::__construct(): Argument #1 ($nanoseconds) must be of type int, string given
TypeError: Linkspan\Subscriber::recv(): Argument #1 ($timeout) must be of type ?float, string given
TypeError: Linkspan\Subscriber::recvMany(): Argument #1 ($max) must be of type int, array given
TypeError: Linkspan\NdArray::fromArray(): Argument #1 ($items) must be of type array, int given
TypeError: Linkspan\NdArray::fromArray(): Argument #2 ($dtype) must be of type string, float given
TypeError: Linkspan\Decimal::__construct(): Argument #1 ($text) must be of type string, bool given
Linkspan\WrongTypeException: timeout must be of type int, float (INF waits for ever) or null, string given, at path timeout
Linkspan\WrongTypeException: timeout must be of type int, float (INF waits for ever) or null, array given, at path timeout
Linkspan\WrongTypeException: timeout must be of type int, float (INF waits for ever) or null, bool given, at path timeout
Linkspan\WrongTypeException: on_unconsumed must be of type callable or null, int given, at path on_unconsumed
Linkspan\WrongTypeException: on_wait must be of type callable or null, string given, at path on_wait
Linkspan\WrongTypeException: on_wait must be of type callable or null, DateTime given, at path on_wait
ArgumentCountError: Linkspan\connect() expects at least 1 argument, 0 given
TypeError: Invalid value given for argument `mine`.
TypeError: strlen(): Argument #1 ($string) must be of type string, array given
---
TypeError: Linkspan\connect(): Argument #1 ($endpoint) must be UTF-8, "\xff" given, of which byte 0 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\connect(): Argument #1 ($endpoint) must be UTF-8, "unix:lab/\xe9t\xe9" given, of which byte 9 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\Channel::open(): Argument #1 ($endpoint) must be UTF-8, "…long/long/long/long/\xff/long/long/long/lon…" given, of which byte 100 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\Publisher::__construct(): Argument #1 ($endpoint) must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\latest(): Argument #1 ($endpoint) must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\subscribe(): Argument #1 ($endpoint) must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\subscribe(): Argument #1 ($endpoint)[1] must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\subscribe(): Argument #1 ($endpoint)[1] must be of type string, int given
TypeError: Linkspan\Region::__construct(): Argument #1 ($source) must be UTF-8, "path:/dev/shm/\xff" given, of which byte 14 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\Decimal::__construct(): Argument #1 ($text) must be UTF-8, "1\xff" given, of which byte 1 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\NdArray::fromArray(): Argument #2 ($dtype) must be UTF-8, "f\xff" given, of which byte 1 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\Controller::__construct(): Argument #1 ($endpoint) must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\ControllerPage::__construct(): Argument #1 ($token_file) must be UTF-8, "/run/\xff" given, of which byte 5 is not: convert it, with mb_convert_encoding or iconv
TypeError: Linkspan\schema(): Argument #1 ($endpoint) must be UTF-8, "lab/\xff" given, of which byte 4 is not: convert it, with mb_convert_encoding or iconv
Linkspan\UnsupportedException: client_id must be UTF-8, "caf\xe9" given, of which byte 3 is not: convert it, with mb_convert_encoding or iconv, at path client_id
Linkspan\UnsupportedException: group must be UTF-8, "caf\xe9" given, of which byte 3 is not: convert it, with mb_convert_encoding or iconv, at path group
---
Linkspan\UnsupportedException: an object of class Reading: give $object->jsonSerialize(), at path v
Linkspan\UnsupportedException: an object of class Walked: give iterator_to_array($object), or a list of its items, at path v
Linkspan\UnsupportedException: an object of class ArrayObject: give iterator_to_array($object), or a list of its items, at path v
Linkspan\UnsupportedException: an object of class Generator: give iterator_to_array($object), or a list of its items, at path v
Linkspan\UnsupportedException: an object of class Span, whose months and years have no fixed length: give seconds as a number, such as (new DateTimeImmutable('@0'))->add($interval)->getTimestamp(), at path v
Linkspan\TooLargeException: over the depth limit: 65 levels asked, 64 allowed, at path again/again/again/again/…/again/again/again/again (64 parts)
---
Linkspan\AddressInUseException: unix:lab/power: this process listens at %s already, by an object that is still open: close that first; a publisher with the option replace takes the name over
Linkspan\InvalidStateException: unix:lab/power: another publisher of this program took over the name, with the option replace: use that one
2 2
Linkspan\NotFoundException: unix:lab/powr: no program listens: %s was looked for once; start one that does, and see that both use the same directory (LINKSPAN_DIR); open is unix:lab/power
1 unix:lab/power publish arguments.php own
