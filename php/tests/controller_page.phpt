--TEST--
ControllerPage and Problem: admission of requests, meaning of bodies, errors as HTTP responses
--EXTENSIONS--
linkspan
--FILE--
<?php
use Linkspan\ControllerPage;
use Linkspan\Problem;

eval(file_get_contents(getenv('LINKSPAN_TESTS') . '/fails.inc'));

$token = str_repeat('0123456789abcdef', 4);
$file = tempnam(sys_get_temp_dir(), 'linkspan-token-');
file_put_contents($file, "http://127.0.0.1:8018/#token=$token\n");
$page = new ControllerPage($file);
$server = [
    'REQUEST_METHOD' => 'POST', 'REQUEST_URI' => '/api/log?lines=7', 'SERVER_PORT' => '8018', 'REMOTE_ADDR' => '127.0.0.1',
    'HTTP_HOST' => '127.0.0.1:8018', 'HTTP_AUTHORIZATION' => "Bearer $token", 'CONTENT_TYPE' => 'application/json',
];
var_dump($page->checkOrigin($server), $page->checkToken($server));
foreach ([
    ['HTTP_HOST' => 'evil.example:8018'], ['HTTP_HOST' => ''], ['HTTP_ORIGIN' => 'http://evil.example'], ['HTTP_SEC_FETCH_SITE' => 'cross-site'],
    ['REMOTE_ADDR' => '192.168.1.9'], ['REMOTE_ADDR' => 'nobody'], ['HTTPS' => 'on', 'HTTP_ORIGIN' => 'http://127.0.0.1:8018'],
] as $other) {
    echo json_encode($other), ' ', $page->checkOrigin($other + $server)->status, "\n";
}
$link = ['REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/?x', 'HTTP_SEC_FETCH_SITE' => 'cross-site', 'HTTP_SEC_FETCH_MODE' => 'navigate', 'HTTP_SEC_FETCH_DEST' => 'document'];
var_dump($page->checkOrigin($link + $server));
$named = new ControllerPage($file, ['lab.example']);
var_dump($named->checkOrigin(['HTTP_HOST' => 'lab.example', 'REMOTE_ADDR' => '192.168.1.9'] + $server));

foreach ([null, 'Basic abc', "Bearer {$token}0"] as $authorization) {
    $problem = $page->checkToken(['HTTP_AUTHORIZATION' => $authorization] + $server);
    echo $problem->status, ' ', $problem->headers['www-authenticate'], "\n";
}
chmod($file, 0644);
echo $page->checkToken($server)->detail === '' ? 'no text' : $page->checkToken($server)->status, "\n";
unlink($file);
echo $page->checkToken($server)->status, "\n";

$command = ControllerPage::decodeCommand($server, '{"command": "PAUSE", "id": "a1", "within": 2, "arguments": [1, {}]}');
echo json_encode($command), "\n";
foreach (['[]', '{"command": 7}', '{"command": "PAUSE", "within": 0}', '{"command": "PAUSE", "more": 1}', str_repeat(' ', ControllerPage::MAX_BODY + 1)] as $body) {
    echo ControllerPage::decodeCommand($server, $body)->status, ' ';
}
echo ControllerPage::decodeCommand(['CONTENT_TYPE' => 'text/plain'] + $server, '{}')->status, "\n";
echo ControllerPage::logLines(), ' ', ControllerPage::logLines('7'), ' ', ControllerPage::logLines('0')->status, ' ', ControllerPage::logLines(['7'])->status, "\n";

$event = ControllerPage::event(['what' => 'data', 'name' => 'power', 'at' => 7, 'value' => str_repeat('x', 70000)]);
echo $event['name'], ' ', $event['json'], "\n";
var_dump(ControllerPage::event(['what' => 'weather']));
echo ControllerPage::securityHeaders()['x-frame-options'], "\n";

try {
    Linkspan\connect('nothing:/at/all');
} catch (Linkspan\LinkspanException $error) {
    $problem = Problem::of($error);
    $body = json_decode($problem->body, true);
    echo $problem->status, ' ', $problem->kind, ' ', $body['kind'], ' ', $body['code'] === $error->getCode() ? 'its code' : 'another code', "\n";
    echo Problem::unreachable($error)->status, ' ', Problem::unreachable($error)->headers['retry-after'], "\n";
}
echo Problem::method('GET')->status, ' ', Problem::method('GET')->headers['allow'], "\n";
fails(fn () => Problem::create(200, 'NotFound', ''));
fails(fn () => Problem::create(404, 'Lost', ''));
?>
--EXPECT--
NULL
NULL
{"HTTP_HOST":"evil.example:8018"} 421
{"HTTP_HOST":""} 400
{"HTTP_ORIGIN":"http:\/\/evil.example"} 403
{"HTTP_SEC_FETCH_SITE":"cross-site"} 403
{"REMOTE_ADDR":"192.168.1.9"} 403
{"REMOTE_ADDR":"nobody"} 403
{"HTTPS":"on","HTTP_ORIGIN":"http:\/\/127.0.0.1:8018"} 403
NULL
NULL
401 Bearer realm="linkspan"
401 Bearer realm="linkspan"
401 Bearer realm="linkspan"
403
403
{"id":"a1","command":"PAUSE","arguments":[1,{}],"within":2,"wait":true}
400 400 400 400 413 415
200 7 400 400
data {"what":"data","name":"power","at":7,"too_large":70048}
NULL
DENY
400 InvalidEndpoint InvalidEndpoint its code
503 1
405 GET
OutOfRange
OutOfRange
