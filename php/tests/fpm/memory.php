<?php
// The page of the test of little memory: receives a long value in one way, and reports the outcome.

$bytes = fn (mixed $value): int => is_array($value) ? array_sum(array_map('strlen', $value)) : strlen((string) $value);
$keep = fn (string $name) => Linkspan\Channel::persistent($name, timeout: 30);
$answer = ['worker' => getmypid()];
try {
    $kind = $_GET['kind'] ?? 'short';
    switch ($_GET['op'] ?? '') {
        case 'latest':
            $value = Linkspan\latest("lab/$kind")['v'];
            break;
        case 'subscribe':
            $value = Linkspan\subscribe("lab/$kind", timeout: 30)->recv(30.0)['v'];
            break;
        case 'call':
            $value = $keep('lab/memory')->call(['kind' => $kind])['v'];
            break;
        case 'send':
            $keep('lab/memory')->call(['kind' => 'sent', 'v' => new Linkspan\Bytes(str_repeat('s', 20 << 20))]);
            $value = '';
            break;
        default:
            $value = $keep('lab/memory')->call(['kind' => 'short'])['v'];
    }
    $answer['bytes'] = $bytes($value);
} catch (Linkspan\LinkspanException $e) {
    $answer['error'] = $e->getKind();
    $answer['text'] = $e->getMessage();
}
echo json_encode($answer);
