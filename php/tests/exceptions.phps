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
