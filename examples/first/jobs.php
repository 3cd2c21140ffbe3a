<?php
// A work queue: `jobs.php` adds three jobs, `jobs.php work` does jobs until a stop signal. Start any number of
// workers.

use Linkspan\Channel;
use Linkspan\Server;

if (($argv[1] ?? '') === 'work') {
    // The return of the function finishes the job.
    Server::serve('spool:first/jobs', shared: true)->run(function ($job) {
        echo "job {$job['number']} of {$job['from']}, done in PHP\n";
    });
} else {
    $queue = Channel::connect('spool:first/jobs');
    foreach ([1, 2, 3] as $number) {
        $queue->send(['number' => $number, 'from' => 'PHP']);
    }
}
