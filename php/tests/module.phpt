--TEST--
The module: version, ini entry, the section of phpinfo()
--EXTENSIONS--
linkspan
--FILE--
<?php
$cargo = file_get_contents(dirname(getenv('LINKSPAN_TESTS'), 2) . '/Cargo.toml');
preg_match('/^version = "([^"]+)"/m', $cargo, $version);
var_dump(phpversion('linkspan') === $version[1]);
var_dump(ini_get('linkspan.timeout'));
ob_start();
phpinfo(INFO_MODULES);
$lines = explode("\n", strstr(ob_get_clean(), "\nlinkspan\n"));
foreach (array_slice($lines, 3, 6) as $line) echo "$line\n";
?>
--EXPECTF--
bool(true)
string(2) "30"
Linkspan => enabled
Version => %d.%d.%d
Encodings => json, cbor, bson, smile, raw

Directive => Local Value => Master Value
linkspan.timeout => 30 => 30
