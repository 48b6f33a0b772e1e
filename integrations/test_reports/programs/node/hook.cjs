// Adds a reporter to node:test, jest, vitest and mocha. Loaded into each process of Node.js by NODE_OPTIONS.
// Child processes of a test run report nothing: their tests are not those of the command.
'use strict';

const OWNER = 'TEST_REPORTS_OWNER';

function addArguments(...added) {
  const end = process.argv.indexOf('--');
  process.argv.splice(end < 0 ? process.argv.length : end, 0, ...added);
}

function isGiven(option, list) {
  return list.some((one) => one === option || one.startsWith(`${option}=`));
}

function canReportNodeTest() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major >= 19 || (major === 18 && minor >= 15);
}

// The options of `node --test` are read from the command line only, so the process runs itself again with more of them.
function runNodeTestAgain() {
  const isTap = !process.stdout.isTTY && Number(process.versions.node.split('.')[0]) < 23;
  const added = [];
  if (!isGiven('--test-reporter', process.execArgv)) added.push(`--test-reporter=${isTap ? 'tap' : 'spec'}`);
  if (!isGiven('--test-reporter-destination', process.execArgv)) added.push('--test-reporter-destination=stdout');
  const { createName } = require('./writer.cjs');
  added.push(`--test-reporter=${__dirname}/node_test.cjs`, `--test-reporter-destination=${createName()}`);
  const { spawnSync } = require('node:child_process');
  const args = [...process.execArgv, ...added, ...process.argv.slice(1)];
  const ran = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (ran.signal) process.kill(process.pid, ran.signal);
  process.exit(ran.status === null ? 1 : ran.status);
}

// All versions of mocha's runner emit events with their tests.
function listenToMocha() {
  const { EventEmitter } = require('node:events');
  const { write } = require('./writer.cjs');
  const emit = EventEmitter.prototype.emit;
  const results = { pass: 'passed', fail: 'failed', pending: 'skipped' };
  EventEmitter.prototype.emit = function (name, test, ...rest) {
    const result = results[name];
    if (result && test && typeof test.titlePath === 'function') {
      write('mocha', test.file, test.titlePath(), result);
    }
    return emit.call(this, name, test, ...rest);
  };
}

function extendRunner() {
  const program = (process.argv[1] || '').replaceAll('\\', '/');
  if (process.execArgv.includes('--test') && !process.execArgv.includes('--watch') && canReportNodeTest()) {
    process.env[OWNER] = 'node:test';
    runNodeTestAgain();
  } else if (/\/(\.bin\/jest|jest(-cli)?\/bin\/jest\.js)$/.test(program)) {
    process.env[OWNER] = String(process.pid);
    if (!isGiven('--reporters', process.argv)) addArguments('--reporters=default');
    addArguments(`--reporters=${__dirname}/jest_reporter.cjs`);
  } else if (/\/(\.bin\/vitest|vitest\/(vitest\.mjs|dist\/cli\.js))$/.test(program)) {
    process.env[OWNER] = String(process.pid);
    if (!isGiven('--reporter', process.argv)) addArguments('--reporter=default');
    addArguments(`--reporter=${__dirname}/vitest_reporter.mjs`);
  } else if (/\/(\.bin\/_?mocha|mocha\/bin\/_?mocha(\.js)?)$/.test(program)) {
    process.env[OWNER] = String(process.pid);
    listenToMocha();
  }
}

// `mocha` with options of Node.js runs itself in a child process, which it starts with the same program.
const isOwn = process.env[OWNER] === undefined || process.env[OWNER] === String(process.ppid);
if (isOwn && process.env.NODE_TEST_CONTEXT === undefined && require('node:worker_threads').isMainThread) {
  try {
    extendRunner();
  } catch {
    // Another version of the runner: no report, but the tests run.
  }
}
