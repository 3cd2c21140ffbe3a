<?php
/** Sends a report on the recording so far, or with `?file` the recording itself. */
declare(strict_types=1);

[$program, $recording] = [getenv('LINKSPAN_RECORDER'), getenv('LINKSPAN_RECORDING')];
header('X-Content-Type-Options: nosniff');
if ($program === false || $recording === false || !is_file($recording)) {
    http_response_code(404);
    header('Content-Type: text/plain; charset=utf-8');
    exit("There is no recording yet: the recorder is being built.\n");
}
if (isset($_GET['file'])) {
    header('Content-Type: application/octet-stream');
    header('Content-Disposition: attachment; filename="observatory.mcap"');
    readfile($recording);
    exit;
}
$report = tempnam(sys_get_temp_dir(), 'report');
$command = [$program, 'recording', 'report', $recording, '--force', '-o', $report];
$process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['redirect', 1]], $pipes);
$output = $process === false ? 'it could not be started' : stream_get_contents($pipes[1]);
$code = $process === false ? 1 : proc_close($process);
$page = (string) file_get_contents($report);
unlink($report);
if ($code !== 0) {
    http_response_code(500);
    header('Content-Type: text/plain; charset=utf-8');
    exit("$program: $output");
}
// The report has no scripts; its styles and images are embedded.
header("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'");
echo $page;
