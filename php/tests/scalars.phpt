--TEST--
The value classes: construction, text, JSON, comparison, clone, and what they refuse
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BigInt, Bytes, Decimal, LinkspanException, Timestamp, Uuid};

function refused(callable $do): void
{
    try {
        $do();
        echo "accepted\n";
    } catch (LinkspanException $e) {
        echo $e->getKind(), ': ', $e->getMessage(), "\n";
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}

$bytes = new Bytes("a\0\xff");
var_dump($bytes->data === "a\0\xff", (string) $bytes === $bytes->data, count($bytes), json_encode($bytes));

$time = Timestamp::parse('2009-08-24T02:46:40.25+02:00');
var_dump($time->nanoseconds, $time->seconds, (string) $time, json_encode($time));
var_dump($time->toDateTime()->format('Y-m-d\TH:i:s.u P'), get_class($time->toDateTime()));
var_dump((new Timestamp(-1))->toDateTime()->format('U.u'));
var_dump(Timestamp::fromDateTime(new DateTime('@-1.5'))->nanoseconds);
var_dump(Timestamp::fromDateTime($time->toDateTime()) == $time);
var_dump(abs(Timestamp::now()->seconds - microtime(true)) < 60);
final class Liar extends DateTimeImmutable { public function format(string $format): string { return 'never asked'; } }
var_dump(Timestamp::fromDateTime(new Liar('@7'))->nanoseconds);

$big = new BigInt('-170141183460469231731687303715884105729');
var_dump($big->text, "$big", json_encode([$big]), $big == new BigInt('-170141183460469231731687303715884105729'), $big == new BigInt('1'));
var_dump((string) new Decimal('1.10'), (new Decimal('-Infinity'))->text, new Decimal('1e3') == new Decimal('1E+3'));
$uuid = new Uuid('01234567-89AB-cdef-0123-456789abcdef');
var_dump("$uuid", bin2hex($uuid->toBytes()), Uuid::fromBytes($uuid->toBytes()) == $uuid, clone $uuid == $uuid);

refused(fn () => new BigInt('1_000'));
refused(fn () => new BigInt(str_repeat('9', 2467)));
refused(fn () => new Decimal('one'));
refused(fn () => new Uuid('01234567-89ab-cdef-0123-456789abcdeg'));
refused(fn () => Uuid::fromBytes('short'));
refused(fn () => Timestamp::parse('yesterday'));
refused(fn () => Timestamp::parse('2262-04-12T00:00:00Z'));
refused(fn () => Timestamp::fromDateTime(new DateTimeImmutable('3000-01-01Z')));
refused(fn () => Timestamp::fromDateTime(new stdClass));
refused(function () use ($time) { $time->nanoseconds = 1; });
refused(function () use ($time) { $time->other = 1; });
refused(function () use ($time) { unset($time->nanoseconds); });
try { serialize($time); } catch (Exception $e) { echo $e->getMessage(), "\n"; }
try { (new ReflectionClass(Bytes::class))->newInstanceWithoutConstructor(); } catch (ReflectionException $e) { echo $e->getMessage(), "\n"; }
?>
--EXPECT--
bool(true)
bool(true)
int(3)
string(7) ""YQD\/""
int(1251074800250000000)
float(1251074800.25)
string(24) "2009-08-24T00:46:40.250Z"
string(26) ""2009-08-24T00:46:40.250Z""
string(33) "2009-08-24T00:46:40.250000 +00:00"
string(17) "DateTimeImmutable"
string(9) "-1.999999"
int(-1500000000)
bool(true)
bool(true)
int(7000000000)
string(40) "-170141183460469231731687303715884105729"
string(40) "-170141183460469231731687303715884105729"
string(44) "["-170141183460469231731687303715884105729"]"
bool(true)
bool(false)
string(4) "1.10"
string(9) "-Infinity"
bool(true)
string(36) "01234567-89ab-cdef-0123-456789abcdef"
string(32) "0123456789abcdef0123456789abcdef"
bool(true)
bool(true)
Malformed: "1_000" is not a decimal integer
TooLarge: over the integer limit: 1025 bytes asked, 1024 allowed
Malformed: "one" is not a decimal number such as 1.10
Malformed: "01234567-89ab-cdef-0123-456789abcdeg" is not a UUID such as 01234567-89ab-cdef-0123-456789abcdef
Malformed: a UUID has 16 bytes, here are 5
Malformed: "yesterday" is not a time as RFC 3339 writes it, such as 2026-03-01T12:00:00.5Z
OutOfRange: 9223372800 s since 1970 does not fit a timestamp, which reaches from 1677-09-21 to 2262-04-11
OutOfRange: 32503680000 s since 1970 does not fit a timestamp, which reaches from 1677-09-21 to 2262-04-11
TypeError: Linkspan\Timestamp::fromDateTime(): Argument #1 ($time) must be of type DateTimeInterface, stdClass given
Exception: No setter available for this property.
Error: Cannot create dynamic property Linkspan\Timestamp::$other
Error: Cannot unset property Linkspan\Timestamp::$nanoseconds
Serialization of 'Linkspan\Timestamp' is not allowed
Class Linkspan\Bytes is an internal class marked as final that cannot be instantiated without invoking its constructor
