--TEST--
One exception for each kind: names, codes, bases, getters, and subclasses in user code
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\LinkspanException;

$kinds = [];
foreach (get_declared_classes() as $class) {
    if (is_subclass_of($class, LinkspanException::class)) {
        $e = new $class('text');
        $kinds[$e->getCode()] = $e->getKind() . ($e->isRetryable() ? ', retry' : '');
        assert($e instanceof RuntimeException && $class === "Linkspan\\{$e->getKind()}Exception");
        assert((new ReflectionClass($class))->isFinal());
    }
}
ksort($kinds);
foreach ($kinds as $code => $kind) {
    echo "$code $kind\n";
}
$e = new Linkspan\TimeoutException('mine', 7, new Exception('cause'));
var_dump($e->getMessage(), $e->getCode(), $e->getPrevious()->getMessage(), $e->getEndpoint(), $e->getPath(), $e->getOffset(),
    $e->getMissed(), $e->getRemoteCode(), $e->getRemoteType(), $e->getRemoteText(), $e->getData());
try {
    Linkspan\decode("\x82\x01");
} catch (Linkspan\TimeoutException | Linkspan\MalformedException $e) {
    var_dump(get_class($e), $e->getCode(), $e->getOffset(), basename($e->getFile()), $e->getLine(), $e->getTrace()[0]['function']);
}
?>
--EXPECT--
100 TransportUnavailable
102 Disconnected, retry
103 NotFound, retry
104 Missing
105 AddressInUse
106 InvalidState
107 InvalidEndpoint
108 OutOfMemory, retry
109 WrongType
110 Timeout, retry
111 Full, retry
112 Empty, retry
113 PermissionDenied
114 TooLarge
115 Malformed
116 Unsupported
117 SchemaMismatch
118 VersionMismatch
119 Cancelled
120 Interrupted
121 Stalled, retry
122 Remote
123 OutOfRange
124 NoSpace, retry
125 Lagged, retry
126 Corrupt
127 Internal
string(4) "mine"
int(7)
string(5) "cause"
NULL
NULL
NULL
NULL
NULL
NULL
NULL
NULL
string(27) "Linkspan\MalformedException"
int(115)
int(0)
string(14) "exceptions.php"
int(21)
string(15) "Linkspan\decode"
