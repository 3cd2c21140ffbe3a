<?php
// The page of the test: the driver's newest value, and a call to its server over the worker's connection;
// or the records of a controller.

header('Content-Type: application/json');
$answer = ['user' => user(), 'worker' => getmypid()];
if (($_GET['op'] ?? '') === 'await') {
    foreach ((new Linkspan\Controller(timeout: 60))->watch(timeout: 60) as $event) {
        if (($event['service']['state'] ?? '') === 'RUNNING') break;
    }
    exit(json_encode($answer));
}
if (($_GET['op'] ?? '') === 'control') {
    $controller = new Linkspan\Controller(timeout: 60);
    $power = $controller->service('power');
    $power->pause();
    $answer += ['paused' => $power->status()['state']];
    $power->run();
    $answer += ['running' => $power->status()['state'], 'clients' => $controller->stats()['clients']];
    exit(json_encode($answer));
}
try {
    $now = Linkspan\latest('lab/temperature');
    $answer += ['celsius' => $now['celsius'], 'wave' => $now['wave']];
    $reply = Linkspan\Channel::persistent('lab/spectrum', timeout: 5)->call(['op' => $_GET['op'] ?? 'look', 'text' => str_repeat('x', 1000)]);
    $answer += ['reply' => $reply];
} catch (Linkspan\LinkspanException $e) {
    $answer += ['error' => $e->getKind(), 'retry' => $e->isRetryable()];
}
echo json_encode($answer);

/** The number of the current user. */
function user(): int
{
    preg_match('/^Uid:\s+(\d+)/m', file_get_contents('/proc/self/status'), $match);
    return (int) $match[1];
}
