--TEST--
Texts of every length arrive unchanged; strings that are not UTF-8 are refused
--EXTENSIONS--
linkspan
--FILE--
<?php
require getenv('LINKSPAN_TESTS') . '/peer.inc';
use Linkspan\Publisher;

function refused(string $text): void
{
    global $out;
    try {
        $out->send($text);
        echo "sent\n";
    } catch (Linkspan\LinkspanException $error) {
        echo $error->getMessage(), "\n";
    }
}

runtime_directory();
$out = new Publisher('unix:texts');
$in = Linkspan\subscribe('unix:texts');
$in->poll();
$same = 0;
foreach ([0, 1, 23, 24, 255, 256, 1000, 4092, 4093, 4094, 5000, 70000] as $length) {
    foreach (['x', 'é', '☃'] as $letter) {
        $text = str_repeat($letter, intdiv($length, strlen($letter))) . str_repeat('.', $length % strlen($letter));
        $out->send($text);
        $message = $in->recv(20);
        if ($message->value === $text && $message->get('') === $text && json_decode(json_encode($message)) === $text) {
            $same++;
        } else {
            echo "$length of $letter: ", strlen($message->value), " bytes came\n";
        }
    }
}
echo "$same the same\n";
// Characters of several bytes, and invalid bytes, are found at every place.
$found = 0;
for ($place = 0; $place < 200; $place++) {
    $out->send(str_repeat('x', $place) . '☃' . str_repeat('x', 199 - $place));
    $found += (int) ($in->recv(20)->value === str_repeat('x', $place) . '☃' . str_repeat('x', 199 - $place));
    try {
        $out->send(str_repeat('x', $place) . "\xff" . str_repeat('x', 199 - $place));
    } catch (Linkspan\LinkspanException $error) {
        $found += (int) str_ends_with($error->getMessage(), "(byte $place of it)");
    }
}
echo "$found found\n";
// A string that PHP changed in place is checked again.
$text = str_repeat('x', 100);
$out->send($text);
$text[50] = "\xff";
refused($text);
$text[50] = 'y';
$out->send($text);
$text .= "\xc3";
refused($text);
$text .= "\xa9";
$out->send($text);
foreach ([1, 2, 3] as $_) {
    echo strlen($in->recv(20)->value), "\n";
}
$other = &$text;
$out->send($other);
echo $in->recv(20)->value === $text ? "a reference\n" : "something else\n";
unset($in, $out);
?>
--EXPECT--
36 the same
400 found
unix:texts: a string that is not UTF-8: give it as new Linkspan\Bytes($string) (byte 50 of it)
unix:texts: a string that is not UTF-8: give it as new Linkspan\Bytes($string) (byte 100 of it)
100
100
102
a reference
