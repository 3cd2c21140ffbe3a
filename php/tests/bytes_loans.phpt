--TEST--
BytesLoan: strings are copied into memory that is sent where it lies; what is refused
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\{BytesLoan, Channel, LinkspanException, Listener, Publisher};
use function Linkspan\subscribe;

function refused(callable $do): void
{
    try {
        $do();
        echo "accepted\n";
    } catch (LinkspanException $e) {
        echo $e->getKind(), ': ', $e->getMessage(), "\n";
    }
}

$listener = Listener::listen('shm:lab/loans');
$one = Channel::connect('shm:lab/loans', timeout: 60.0);
$two = $listener->accept(20.0);
$one->send(0);
$two->recv();

$loan = $one->loanBytes(1 << 20);
var_dump(count($loan));
for ($at = 0; $at < 600000; $at += 8000) $loan->write(str_repeat(chr($at / 8000 % 256), 8000), $at);
$loan->truncate(599999);
$one->send(['camera' => 'left', 'image' => $loan, 'time' => 1.5]);
$got = $two->recv();
$expected = '';
for ($at = 0; $at < 600000; $at += 8000) $expected .= str_repeat(chr($at / 8000 % 256), 8000);
var_dump((string) $got['image'] === substr($expected, 0, 599999), $got['camera'], $got['time']);
var_dump($one->stats()['bodies_in_slots'], count($loan));
// Sends equal bytes again, as a copy.
$one->send([$loan]);
var_dump((string) $two->recv()[0] === substr($expected, 0, 599999));

refused(fn() => $loan->write('a'));
refused(fn() => $loan->truncate(1));
$loan = $one->loanBytes(10);
refused(fn() => $loan->write('abc', 8));
refused(fn() => $loan->write('abc', -1));
refused(fn() => $loan->write('abc', PHP_INT_MAX));
refused(fn() => $loan->truncate(11));
refused(fn() => $loan->truncate(-1));
refused(fn() => $one->loanBytes(-1));
$loan->write('0123456789');
$loan->write('abc', 7);
echo json_encode(['image' => $loan]), "\n";
$one->send($loan);
echo json_encode($loan), "\n";
var_dump((string) $two->recv()->value);

$publisher = new Publisher('shm:lab/loans/published');
$subscriber = subscribe('shm:lab/loans/published');
$publisher->waitForSubscribers(1, 20.0);
$loan = $publisher->loanBytes(100000);
$loan->write(str_repeat('x', 100000));
$publisher->send(['image' => $loan]);
var_dump((string) $subscriber->recv(20.0)['image'] === str_repeat('x', 100000));
?>
--EXPECTF--
int(1048576)
bool(true)
string(4) "left"
float(1.5)
int(1)
int(599999)
bool(true)
InvalidState: %Sthis loan was encoded, and what is sent does not change: lend another one
InvalidState: %Sthis loan was encoded, and what is sent does not change: lend another one
OutOfRange: %S3 bytes at 8 are not within the loan of 10 bytes
OutOfRange: %S3 bytes at -1 are not within the loan of 10 bytes
OutOfRange: %S3 bytes at 9223372036854775807 are not within the loan of 10 bytes
InvalidState: %Sthe loan has 10 bytes, and 11 of them were to be sent
OutOfRange: %Sa length of -1 bytes: give a number from 0 upwards
OutOfRange: %Sa length of -1 bytes: give a number from 0 upwards
{"image":"MDEyMzQ1NmFiYw=="}
"MDEyMzQ1NmFiYw=="
string(10) "0123456abc"
bool(true)
