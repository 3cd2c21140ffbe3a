<?php
/** The form's other side: asks the Fortran program for a window length, and passes on its answer or its error. */
declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\RemoteException;

require __DIR__ . '/ours.php';

ini_set('serialize_precision', '7');
header('Content-Type: application/json');
header('Cache-Control: no-store');

$asked = $_GET['window'] ?? '';
$window = filter_var($asked, FILTER_VALIDATE_INT);
$begin = hrtime(true);
try {
    // What is not a whole number goes as it is: the program with the rule reports what is wrong with it.
    $channel = Channel::connect('observatory/spectrum', timeout: 1.0);
    $answer = $channel->call(['op' => 'spectrum', 'window' => $window === false ? $asked : $window], timeout: 2.0);
    $spectrum = $answer->value;
    $spectrum['power'] = $spectrum['power']->toArray();
    echo json_encode(['answer' => $spectrum, 'milliseconds' => (hrtime(true) - $begin) / 1e6]);
} catch (RemoteException $error) { // the Fortran program refused it, with the reason
    http_response_code(422);
    echo json_encode(['error' => $error->getRemoteText(), 'from' => 'the Fortran program']);
} catch (LinkspanException $error) { // no program there, or no answer in time
    http_response_code(503);
    echo json_encode(['error' => $error->getMessage(), 'from' => 'Linkspan, ' . $error->getKind()]);
}
