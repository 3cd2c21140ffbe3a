--TEST--
phpize and configure leave no untracked file in the source tree
--SKIPIF--
<?php
foreach (['phpize', 'autoconf', 'git'] as $program) {
    if (!shell_exec("command -v $program")) die("skip there is no $program");
}
?>
--FILE--
<?php
$source = dirname(getenv('LINKSPAN_TESTS'));
// phpize's configure refuses a folder with a space in its name.
$copy = (preg_match('/\s/', sys_get_temp_dir()) ? '/tmp' : sys_get_temp_dir()) . '/linkspan_phpize_' . getmypid();
$quoted = escapeshellarg($copy);
register_shutdown_function(fn () => shell_exec("rm -rf $quoted"));
$run = function (string $command) use ($quoted): string {
    exec("cd $quoted && ($command) 2>&1", $lines, $status);
    if ($status !== 0) die("$command ended with $status:\n" . implode("\n", $lines));
    return implode("\n", $lines);
};
mkdir($copy);
foreach (['config.m4', 'Makefile.frag', '.gitignore'] as $file) copy("$source/$file", "$copy/$file");
$run('git init -q . && git add -A');
$run('phpize && ./configure CARGO=true');
// The files that make and make install would add.
$run('mkdir -p modules .libs && touch modules/linkspan.so modules/linkspan.la');
echo $run('git status --porcelain | grep -v "^A " || true'), "nothing else\n";
?>
--EXPECT--
nothing else
