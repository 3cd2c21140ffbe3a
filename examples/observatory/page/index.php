<?php
/** The HTML of the page. events.php streams its values; spectrum.php answers its form. */
declare(strict_types=1);

const PARTS = [
    'sensors' => ['Sensors', 'Python'],
    'statistics' => ['Statistics', 'C++'],
    'seismogram' => ['Seismogram', 'Python'],
    'spectrum' => ['Spectrum', 'Fortran'],
];
const READINGS = [
    // units and ranges come from the schema of the program that publishes the readings
    'cpu' => 'Processor',
    'load' => 'Load, 1 min',
    'memory' => 'Memory',
    'network' => 'Network',
    'disk' => 'Disk',
    'temperature' => 'Temperature',
];
function chip(string $part): string
{
    [$name, $language] = PARTS[$part];
    return "<span class=\"chip\" data-part=\"$part\" data-name=\"$name\" data-state=\"waiting\">"
        . "<i></i>$name <small>$language</small> <b>waiting</b></span>";
}
header("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    . "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
header('X-Content-Type-Options: nosniff');
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Observatory</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="uplot/uPlot.min.css">
<link rel="stylesheet" href="page.css">
<script src="uplot/uPlot.iife.min.js" defer></script>
<script src="plots.js" defer></script>
<script src="readings.js" defer></script>
<script src="page.js" defer></script>
</head>
<body>
<header>
  <h1>Observatory</h1>
  <p>Five programs in four languages on <em><?= htmlspecialchars(gethostname() ?: 'this machine') ?></em>, connected by Linkspan.</p>
  <p id="summary" role="status" aria-live="polite">Waiting for the first values.</p>
</header>
<main>
<section aria-labelledby="h-waveform" id="waveform">
  <div class="head"><h2 id="h-waveform">Waveform</h2><?= chip('seismogram'), chip('spectrum') ?></div>
  <div class="plots" role="img" aria-label="Three components of ground motion over the last twenty seconds, and the STA/LTA ratio of the trigger">
    <div class="trace" id="plot-z"><span>Z <small>up</small></span></div>
    <div class="trace" id="plot-n"><span>N <small>north</small></span></div>
    <div class="trace" id="plot-e"><span>E <small>east</small></span></div>
    <div class="trace" id="plot-ratio"><span>STA/LTA</span></div>
  </div>
  <p class="legend"><span class="key trigger">triggered</span><span class="key restart">recording starts again</span>
    <output id="trigger" aria-live="polite">No trigger yet.</output></p>
  <p class="source">Station BW.RJOB, 2009-08-24 00:20:03 UTC, <span id="sampled"></span><span id="recorded">replayed in real time</span>.
    Source: <a href="https://www.obspy.org">ObsPy</a>, obspy/core/data/example.npz.</p>
</section>
<section aria-labelledby="h-spectrum" id="spectrum">
  <div class="head"><h2 id="h-spectrum">Power spectrum</h2><?= chip('spectrum') ?></div>
  <div class="plots" role="img" aria-label="Power spectral density of the three components over frequency"><div id="plot-spectrum"></div></div>
  <p class="legend"><span class="key z">Z</span><span class="key n">N</span><span class="key e">E</span><span id="density"></span>
    <output id="window">No spectrum yet.</output></p>
  <form id="request" action="spectrum.php" novalidate>
    <label for="length">Window in samples</label>
    <input id="length" name="window" inputmode="numeric" autocomplete="off" value="512" aria-describedby="answer">
    <button>Compute</button>
    <output id="answer" role="status" for="length">The Fortran program accepts 64 to 2048 samples.</output>
  </form>
</section>
<section aria-labelledby="h-readings" id="readings">
  <div class="head"><h2 id="h-readings">Readings</h2><?= chip('sensors'), chip('statistics') ?></div>
  <ul>
<?php foreach (READINGS as $id => $name): ?>
    <li id="<?= $id ?>">
      <h3><?= $name ?></h3>
      <p class="value"><b>–</b> <small></small></p>
      <svg viewBox="0 0 240 48" preserveAspectRatio="none" aria-hidden="true"><rect width="240"/><path class="mean"/><path class="line"/></svg>
      <dl><div><dt>mean</dt><dd data-statistic="mean">–</dd></div><div><dt>sd</dt><dd data-statistic="sd">–</dd></div>
        <div><dt>min</dt><dd data-statistic="min">–</dd></div><div><dt>max</dt><dd data-statistic="max">–</dd></div></dl>
    </li>
<?php endforeach ?>
  </ul>
  <p class="source">The sensors of this machine are read ten times a second. The line shows the last minute; the band shows the mean
    ± the standard deviation of the last <span id="seconds">30</span> s.</p>
<?php if (getenv('LINKSPAN_RECORDING') !== false): ?>
  <p class="source">A recorder writes all messages to a file: <a href="recording.php">show a report</a>, <a href="recording.php?file">download the file</a>.
    <code>linkspan replay</code> publishes its messages again; <code>linkspan recording export</code> writes tables for other programs, and with <code>--ros2</code> a file for Lichtblick, Foxglove, PlotJuggler and Rerun.</p>
<?php endif ?>
</section>
</main>
<noscript>The page receives its values as server-sent events and needs JavaScript.</noscript>
</body>
</html>
