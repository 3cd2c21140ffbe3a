<?php
// The driver of the test: publishes a value and serves requests; "next" makes it publish another value.

$out = new Linkspan\Publisher('lab/temperature');
$server = Linkspan\Server::serve('lab/spectrum');
$celsius = 20;
$publish = function () use ($out, &$celsius) {
    $out->send(['celsius' => ++$celsius, 'wave' => Linkspan\NdArray::fromArray([$celsius, 0.5])]);
};
$publish();
echo "ready\n";
$server->run(function (Linkspan\Request $request) use ($server, $publish) {
    if ($request['op'] === 'next') $publish();
    return ['user' => user(), 'heard' => strlen($request['text']), 'connections' => $server->stats()['connections']];
});
$out->close();
$server->close();

/** The number of the current user. */
function user(): int
{
    preg_match('/^Uid:\s+(\d+)/m', file_get_contents('/proc/self/status'), $match);
    return (int) $match[1];
}
