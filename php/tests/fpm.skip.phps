<?php
if (posix_geteuid() !== 0) echo 'skip needs root, to run processes as two users';
elseif (!is_executable('/usr/sbin/nginx')) echo 'skip needs nginx';
elseif (!is_executable('/usr/sbin/php-fpm' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION)) echo 'skip needs php-fpm of this version';
elseif (!posix_getpwnam('www-data') || !posix_getpwnam('nobody')) echo 'skip needs the users www-data and nobody';
?>
