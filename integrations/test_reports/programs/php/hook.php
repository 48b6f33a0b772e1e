<?php
// Adds a JUnit XML report to PHPUnit. Run before each PHP program, see report.ini.
if (PHP_SAPI === 'cli' && isset($_SERVER['argv'][0]) && preg_match('~^(phpunit|pest)(\.phar|\.php)?$~', basename($_SERVER['argv'][0]))
    && !preg_grep('~^--log-junit~', $_SERVER['argv']) && is_dir(__DIR__ . '/../../results')) {
    $_SERVER['argv'][] = '--log-junit';
    $_SERVER['argv'][] = sprintf('%s/../../results/%d000000000-%d.xml', __DIR__, time(), getmypid());
    $GLOBALS['argv'] = $_SERVER['argv'];
    $GLOBALS['argc'] = $_SERVER['argc'] = count($_SERVER['argv']);
}
