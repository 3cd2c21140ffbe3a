--TEST--
A page run by www-data in php-fpm behind nginx reads what a driver of another user publishes, calls its server, and controls its service
--EXTENSIONS--
linkspan
posix
--SKIPIF--
<?php
if (posix_geteuid() !== 0) echo 'skip needs root, to run processes as two users';
elseif (!is_executable('/usr/sbin/nginx')) echo 'skip needs nginx';
elseif (!is_executable('/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION)) echo 'skip needs php-fpm of this version';
elseif (!posix_getpwnam('www-data') || !posix_getpwnam('nobody')) echo 'skip needs the users www-data and nobody';
?>
--FILE--
<?php
// All files are in one folder, with sockets instead of ports. The group www-data shares the runtime directory.
$folder = sys_get_temp_dir() . '/linkspan_fpm_' . getmypid();
mkdir($folder, 0711);
mkdir("$folder/run");
chgrp("$folder/run", 'www-data');
chmod("$folder/run", 02770);
copy(getenv('LINKSPAN_EXTENSION'), "$folder/linkspan.so");
foreach (['page.php', 'driver.php'] as $script) copy(getenv('LINKSPAN_TESTS') . "/fpm/$script", "$folder/$script");
foreach (['linkspan.so', 'page.php', 'driver.php'] as $file) chmod("$folder/$file", 0644);
foreach (['linkspan' => 'LINKSPAN_PROGRAM', 'service' => 'LINKSPAN_SERVICE'] as $program => $from) {
    copy(getenv($from), "$folder/$program");
    chmod("$folder/$program", 0755);
}
file_put_contents("$folder/fpm.conf", <<<CONF
    [global]
    error_log = $folder/fpm.log
    daemonize = no
    [www]
    user = www-data
    group = www-data
    listen = $folder/fpm.sock
    listen.owner = www-data
    pm = static
    pm.max_children = 2
    env[LINKSPAN_DIR] = $folder/run
    catch_workers_output = yes
    CONF);
file_put_contents("$folder/nginx.conf", <<<CONF
    user www-data;
    worker_processes 1;
    daemon off;
    pid "$folder/nginx.pid";
    error_log "$folder/nginx.log";
    events {}
    http {
        access_log off;
        client_body_temp_path "$folder/nginx_body";
        fastcgi_temp_path "$folder/nginx_fastcgi";
        proxy_temp_path "$folder/nginx_proxy";
        scgi_temp_path "$folder/nginx_scgi";
        uwsgi_temp_path "$folder/nginx_uwsgi";
        server {
            listen "unix:$folder/nginx.sock";
            location / {
                fastcgi_pass "unix:$folder/fpm.sock";
                fastcgi_param SCRIPT_FILENAME "$folder/page.php";
                fastcgi_param REQUEST_METHOD \$request_method;
                fastcgi_param QUERY_STRING \$query_string;
            }
        }
    }
    CONF);

function start(array $command, string $log, array $environment = [], array $output = ['file', '/dev/null', 'w'])
{
    return proc_open($command, [['file', '/dev/null', 'r'], $output, ['file', $log, 'a']], $GLOBALS['pipes'], '/', $environment);
}

/** Starts a program as the driver's user, who is in the group of the pages. */
function as_nobody(string $folder, array $command, array $output = ['file', '/dev/null', 'w'])
{
    $as = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--groups=www-data', '--inh-caps=-all'];
    return start([...$as, ...$command], "$folder/nobody.log", ['LINKSPAN_DIR' => "$folder/run", 'PATH' => getenv('PATH')], $output);
}

function driver(string $folder)
{
    $driver = as_nobody($folder, [PHP_BINARY, '-n', '-d', "extension=$folder/linkspan.so", "$folder/driver.php"], ['pipe', 'w']);
    if (trim((string) fgets($GLOBALS['pipes'][1])) !== 'ready') throw new RuntimeException('the driver did not start');
    return $driver;
}

/** Waits until a server accepts at this socket. */
function await(string $socket): void
{
    for ($tries = 0; !($stream = @stream_socket_client("unix://$socket")); $tries++) {
        if ($tries === 500) throw new RuntimeException("nobody listens at $socket");
        usleep(20_000);
    }
    fclose($stream);
}

function get(string $folder, string $query = ''): ?array
{
    $stream = stream_socket_client("unix://$folder/nginx.sock");
    stream_set_timeout($stream, 30);
    fwrite($stream, "GET /?$query HTTP/1.0\r\n\r\n");
    [$head, $body] = explode("\r\n\r\n", stream_get_contents($stream), 2) + ['', ''];
    if (!str_starts_with($head, 'HTTP/1.1 200')) echo strtok($head, "\r"), "\n";
    $answer = json_decode($body, true) ?? throw new RuntimeException($head . $body);
    foreach ([&$answer, &$answer['reply']] as &$part) {
        if (isset($part['user'])) $part['user'] = posix_getpwuid($part['user'])['name'];
    }
    return array_filter($answer, fn ($value) => $value !== null);
}

$running = [];
try {
    $running['fpm'] = start(['/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION, '-n', '-y', "$folder/fpm.conf", '-d', "extension=$folder/linkspan.so"], "$folder/fpm.err");
    $running['nginx'] = start(['/usr/sbin/nginx', '-c', "$folder/nginx.conf", '-p', $folder], "$folder/nginx.err");
    await("$folder/fpm.sock");
    await("$folder/nginx.sock");

    echo "before the driver: ", json_encode(array_diff_key(get($folder), ['worker' => 1])), "\n";
    $running['driver'] = driver($folder);
    $answer = get($folder);
    $reply = $answer['reply'] ?? [];
    echo json_encode(array_diff_key($answer, ['worker' => 1, 'reply' => 1])), ' ', json_encode(array_diff_key($reply, ['connections' => 1])), "\n";

    // The next page has the new value. Each of the two workers keeps one connection for any number of pages.
    get($folder, 'op=next');
    $workers = [];
    for ($i = 0; $i < 30; $i++) {
        $answer = get($folder);
        $workers[$answer['worker']] = true;
    }
    echo $answer['celsius'], ' ', json_encode($answer['wave']), "\n";
    echo $answer['reply']['connections'] === count($workers) ? "one connection a worker\n" : json_encode($answer) . "\n";

    // The driver is killed: the page reports it. After its restart the page is complete, with unchanged workers.
    proc_terminate($running['driver'], 9);
    proc_close($running['driver']);
    $answer = get($folder);
    echo 'without the driver: ', $answer['error'], $answer['retry'] ? ', to be tried again' : '', "\n";
    $running['driver'] = driver($folder);
    for ($i = 0; $i < 10; $i++) {
        $answer = get($folder);
        if (isset($answer['error']) || !isset($workers[$answer['worker']])) echo json_encode($answer), "\n";
    }
    echo 'with it again: ', $answer['celsius'], ' ', $answer['reply']['user'], "\n";

    // A controller with a service: each worker keeps one connection to it for all pages, also after a restart.
    $hub = ["$folder/linkspan", 'controller', '--no-tcp', '--quiet'];
    $running['hub'] = as_nobody($folder, $hub);
    $running['service'] = as_nobody($folder, ["$folder/service", 'power']);
    get($folder, 'op=await');
    foreach (['first', 'second'] as $life) {
        $workers = [];
        for ($i = 0; $i < 30; $i++) {
            $answer = get($folder, 'op=control');
            $workers[$answer['worker']] = true;
            if (array_diff_key($answer, ['worker' => 1, 'clients' => 1, 'user' => 1]) !== ['paused' => 'PAUSED', 'running' => 'RUNNING']) echo json_encode($answer), "\n";
        }
        echo "the controller's $life life: ", $answer['clients'] === count($workers) ? "one connection a worker\n" : json_encode($answer) . "\n";
        if ($life === 'second') break;
        proc_terminate($running['hub'], 9);
        proc_close($running['hub']);
        $running['hub'] = as_nobody($folder, $hub);
    }

    // Only the group can access a socket of the driver.
    $socket = stat("$folder/run/lab@spectrum.shm");
    printf("%o %s %s\n", $socket['mode'] & 0777, posix_getpwuid($socket['uid'])['name'], posix_getgrgid($socket['gid'])['name']);
} finally {
    foreach ($running as $process) {
        if (is_resource($process)) {
            proc_terminate($process);
            proc_close($process);
        }
    }
    foreach (glob("$folder/*.{log,err}", GLOB_BRACE) as $log) {
        if (preg_match_all('/.*(signal|segfault|Fatal|panic|alert|emerg).*/i', file_get_contents($log), $lines)) echo basename($log), ":\n", implode("\n", $lines[0]), "\n";
    }
    $left = array_filter(scandir("$folder/run"), fn ($name) => $name[0] !== '.');
    echo $left ? 'left behind: ' . implode(' ', $left) . "\n" : "nothing is left behind\n";
    $all = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS), RecursiveIteratorIterator::CHILD_FIRST);
    foreach ($all as $file) $file->isDir() && !$file->isLink() ? rmdir($file) : unlink($file);
    rmdir($folder);
}
?>
--EXPECT--
before the driver: {"user":"www-data","error":"NotFound","retry":true}
{"user":"www-data","celsius":21,"wave":[21,0.5]} {"user":"nobody","heard":1000}
22 [22,0.5]
one connection a worker
without the driver: NotFound, to be tried again
with it again: 21 nobody
the controller's first life: one connection a worker
the controller's second life: one connection a worker
660 nobody www-data
nothing is left behind
