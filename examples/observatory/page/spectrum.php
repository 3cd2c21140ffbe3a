<?php
/** Requests the spectrum of a window from the Fortran program, for the form of the page. */
declare(strict_types=1);

use Linkspan\Channel;
use Linkspan\LinkspanException;
use Linkspan\RemoteException;

require __DIR__ . '/access.php';

ini_set('serialize_precision', '7');
header('Content-Type: application/json');
header('Cache-Control: no-store');

$text = $_GET['window'] ?? '';
$window = filter_var($text, FILTER_VALIDATE_INT);
$begin = hrtime(true);
try {
    // Other text is sent unchanged: the Fortran program checks the window and reports the error.
    $channel = Channel::connect('observatory/spectrum', timeout: 1.0);
    $answer = $channel->call(['op' => 'spectrum', 'window' => $window === false ? $text : $window], timeout: 2.0);
    $spectrum = $answer->value;
    $spectrum['power'] = $spectrum['power']->toArray();
    echo json_encode(['answer' => $spectrum, 'milliseconds' => (hrtime(true) - $begin) / 1e6]);
} catch (RemoteException $error) { // the Fortran program refused the request
    http_response_code(422);
    echo json_encode(['error' => $error->getRemoteText(), 'from' => 'the Fortran program']);
} catch (LinkspanException $error) { // the program does not run, or did not answer in time
    http_response_code(503);
    echo json_encode(['error' => $error->getMessage(), 'from' => 'Linkspan, ' . $error->getKind()]);
}
