<?php
$cargo = file_get_contents(dirname(getenv('LINKSPAN_TESTS'), 2) . '/Cargo.toml');
preg_match('/^version = "([^"]+)"/m', $cargo, $version);
var_dump(phpversion('linkspan') === $version[1]);
var_dump(ini_get('linkspan.timeout'));
ob_start();
phpinfo(INFO_MODULES);
$lines = explode("\n", strstr(ob_get_clean(), "\nlinkspan\n"));
foreach (array_slice($lines, 3, 6) as $line) echo "$line\n";
var_dump(Linkspan\DEFAULT_TIMEOUT);
?>
