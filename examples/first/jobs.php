<?php
// A queue of work: `jobs.php` puts three jobs into it, `jobs.php work` does jobs until it is asked to stop; start as many as you like.

use Linkspan\Channel;
use Linkspan\Server;

if (($argv[1] ?? '') === 'work') {
    // A job is done when the function returns.
    Server::serve('spool:first/jobs', shared: true)->run(function ($job) {
        echo "job {$job['number']} of {$job['from']}, done in PHP\n";
    });
} else {
    $queue = Channel::connect('spool:first/jobs');
    foreach ([1, 2, 3] as $number) {
        $queue->send(['number' => $number, 'from' => 'PHP']);
    }
}
