--TEST--
Values without a form are refused with their path, invalid bytes with their offset
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{Encoding, LinkspanException};
use function Linkspan\{decode, encode, transcode};

enum Unit { case One; }
class Point { public int $x = 1; }
class Old extends stdClass { private $hidden = 1; }

function tell(callable $do): void
{
    try {
        var_dump($do());
    } catch (LinkspanException $e) {
        printf("%s %d path=%s offset=%s", $e->getKind(), $e->getCode(), $e->getPath() ?? '-', $e->getOffset() ?? '-');
        // The core tests the texts of its codecs; only the extension's texts are printed here.
        echo $e->getKind() === 'Unsupported' ? ": {$e->getMessage()}\n" : "\n";
        if (get_class($e) !== "Linkspan\\{$e->getKind()}Exception") echo get_class($e), "\n";
    }
}

tell(fn () => encode("\xff"));
tell(fn () => encode(['rows' => [['name' => "ok"], ['name' => "bad \xc3("]]]));
tell(fn () => encode(['a' => ["k\xff" => 1]]));
tell(fn () => encode(['a/b' => ['c~d' => fopen('php://memory', 'r')]]));
tell(fn () => encode([new Point]));
tell(fn () => encode(new Old));
tell(fn () => encode(Unit::One));
tell(fn () => encode(fn () => 1));
$cycle = []; $cycle['again'] = &$cycle;
try { encode($cycle); } catch (LinkspanException $e) { echo get_class($e), ' ', $e->getPath() === implode('/', array_fill(0, 64, 'again')) ? 'at depth 64' : $e->getPath(), "\n"; }
$object = new stdClass; $object->self = $object;
try { encode($object); } catch (Linkspan\TooLargeException $e) { echo "cyclic object refused\n"; }

echo "---\n";
tell(fn () => decode(''));
tell(fn () => decode("\x01\x02"));
tell(fn () => decode('{"a":1,"a":2}', Encoding::Json));
tell(fn () => decode('[1,2', Encoding::Json));
tell(fn () => decode("\x61\xff"));
tell(fn () => transcode("\xff", Encoding::Cbor, Encoding::Json));
tell(fn () => transcode('{"a":[1,tru]}', Encoding::Json, Encoding::Cbor));
echo "---\n";
try { encode(1, 5); } catch (Linkspan\WrongTypeException $e) { echo get_class($e), "\n"; }
try { encode(); } catch (ArgumentCountError $e) { echo get_class($e), "\n"; }
try { encode(value: 1, coding: 2); } catch (Error $e) { echo $e->getMessage(), "\n"; }
?>
--EXPECT--
Unsupported 116 path=- offset=-: a string that is not UTF-8: give it as new Linkspan\Bytes($string) (byte 0 of it)
Unsupported 116 path=rows/1/name offset=-: a string that is not UTF-8: give it as new Linkspan\Bytes($string) (byte 4 of it), at path rows/1/name
Unsupported 116 path=a/k� offset=-: a key that is not UTF-8 (byte 1 of it), at path a/k�
Unsupported 116 path=a~1b/c~0d offset=-: a resource has no form outside this process, at path a~1b/c~0d
Unsupported 116 path=0 offset=-: an object of class Point: give an array, a stdClass or one of Linkspan's value classes, at path 0
Unsupported 116 path=- offset=-: an object of class Old: give an array, a stdClass or one of Linkspan's value classes
Unsupported 116 path=- offset=-: Unit is an enum without values: only backed enums travel
Unsupported 116 path=- offset=-: an object of class Closure: give an array, a stdClass or one of Linkspan's value classes
Linkspan\TooLargeException at depth 64
cyclic object refused
---
Malformed 115 path=- offset=0
Malformed 115 path=- offset=1
Malformed 115 path=a offset=7
Malformed 115 path=- offset=4
Malformed 115 path=- offset=1
Malformed 115 path=- offset=0
Malformed 115 path=a/1 offset=11
---
Linkspan\WrongTypeException
ArgumentCountError
Unknown named parameter $coding
