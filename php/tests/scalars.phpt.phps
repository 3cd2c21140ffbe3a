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
