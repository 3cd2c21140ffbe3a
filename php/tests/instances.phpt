--TEST--
Instances of classes with plans, as generated ones have: decoded and sent directly, refused where class and plan differ
--EXTENSIONS--
linkspan
--FILE--
<?php
use function Linkspan\decode_instance;

require getenv('LINKSPAN_TESTS') . '/server.inc';
eval(file_get_contents(getenv('LINKSPAN_TESTS') . '/fails.inc'));

enum Mode: string { case On = 'ON'; case Off = 'OFF'; }
final class Point
{
    public const LINKSPAN_FIELDS = ['x' => [['x'], 'f64'], 'label' => [['label', 'name'], 'text', true]];
    public function __construct(public readonly float $x, public readonly ?string $label = null) {}
}
final class Plot
{
    public const LINKSPAN_FIELDS = [
        'mode' => [['mode'], ['enum', Mode::class, 'OFF']],
        'points' => [['points'], ['list', ['class', Point::class]]],
        'notes' => [['notes'], ['map', 'text']],
        'count' => [['count'], 'u8'],
    ];
    public function __construct(
        public readonly Mode $mode, public readonly array $points, public readonly array $notes, public readonly int $count = 7,
    ) {}
    public static function linkspanDefaults(): array { return ['count' => 7]; }
}

$endpoint = 'unix:instances-' . getmypid();
$out = new Linkspan\Publisher($endpoint);
$subscriber = Linkspan\subscribe($endpoint);
$message = function (mixed $value) use ($out, $subscriber): Linkspan\Message {
    $out->send($value);
    return $subscriber->recv(20.0);
};

// A map of lists stays a map, also if empty. Null of an optional property is left out. An older key is read.
$plot = new Plot(Mode::On, [new Point(0.5), new Point(1.0, 'one')], ['zero', 'one']);
echo Linkspan\transcode(Linkspan\encode($plot), 'cbor', 'json'), "\n";
echo Linkspan\transcode(Linkspan\encode(['in' => [new Plot(Mode::Off, [], [], 0)]]), 'cbor', 'json'), "\n";
var_dump(decode_instance(Plot::class, $message($plot)) == $plot);
$read = decode_instance(Plot::class, $message(['more' => [1, ['x' => 2]], 'notes' => ['a' => 'b'], 'points' => [['name' => 'old', 'x' => 3]], 'mode' => 'new']));
var_dump($read == new Plot(Mode::Off, [new Point(3.0, 'old')], ['a' => 'b'], 7), $read->mode === Mode::Off);
// It is read-only, like an instance from its constructor.
try { $read->count = 8; } catch (Error $e) { echo $e->getMessage(), "\n"; }
foreach ([['x' => 'text'], ['label' => 'no x'], ['x' => 1, 'name' => 'a', 'label' => 'b'], [1], ['x' => 2 ** 53 + 1]] as $other) {
    var_dump(decode_instance(Point::class, $message($other)));
}

// Errors: a class without constants, an unknown class, a plan of a wrong type, and a plan without a type.
final class Silent { public int $x = 0; }
final class Otherwise
{
    public const LINKSPAN_FIELDS = ['x' => [['x'], 'text']];
    public readonly float $x;
}
final class Unknown
{
    public const LINKSPAN_FIELDS = ['x' => [['x'], 'f63']];
    public readonly float $x;
}
final class Itself
{
    public const LINKSPAN_FIELDS = ['x' => [['x'], ['list', ['class', Itself::class]]]];
    public readonly array $x;
}
final class Without
{
    public const LINKSPAN_FIELDS = ['y' => [['y'], 'f64']];
    public readonly float $x;
}
$point = $message(['x' => 1.5]);
foreach ([Silent::class, 'Nobody', Unknown::class, Itself::class, Without::class] as $class) {
    fails(fn () => decode_instance($class, $point));
}
fails(fn () => decode_instance(Point::class, 7));
try {
    decode_instance(Otherwise::class, $message(['x' => 'text']));
} catch (TypeError $e) {
    echo $e->getMessage(), "\n";
}
fails(fn () => Linkspan\encode(['in' => [new Otherwise()]]));
fails(fn () => Linkspan\encode(new Silent()));
fails(fn () => Linkspan\encode(new Point(0.5, "\xff")));

// Classes end with their request. The next request of the process has other classes with equal names.
$page = sys_get_temp_dir() . '/linkspan_instances_' . getmypid() . '.php';
file_put_contents($page, <<<'PHP'
    <?php
    $type = $_GET['type'];
    eval("final class Changing {
        public const LINKSPAN_FIELDS = ['v' => [['v'], '$type']];
        public function __construct(public readonly mixed \$v) {}
    }");
    $value = $type === 'text' ? 'words' : 0.25;
    $out = new Linkspan\Publisher('unix:instances-page-' . getmypid());
    $out->send(new Changing($value));
    $read = Linkspan\decode_instance(Changing::class, Linkspan\latest('unix:instances-page-' . getmypid()));
    echo $read->v === $value ? 'same' : 'other';
    PHP);
[$process, $url] = serve($page);
try {
    for ($i = 0; $i < 6; $i++) echo get("$url?type=" . ($i % 2 ? 'text' : 'f64')), $i < 5 ? ' ' : "\n";
} finally {
    stop($process);
    unlink($page);
}
?>
--EXPECT--
{"mode":"ON","points":[{"x":0.5},{"x":1.0,"label":"one"}],"notes":{"0":"zero","1":"one"},"count":7}
{"in":[{"mode":"OFF","points":[],"notes":{},"count":0}]}
bool(true)
bool(true)
bool(true)
Cannot modify readonly property Plot::$count
NULL
NULL
NULL
NULL
NULL
WrongType
WrongType
WrongType
WrongType
WrongType
WrongType
Cannot assign string to property Otherwise::$x of type float
InvalidState at in/0/x
Unsupported
Unsupported at label
same same same same same same
