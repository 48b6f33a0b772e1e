// A reporter of vitest: `onTestCaseResult` is called since version 3, `onFinished` before it.
import { createRequire } from 'node:module';

const { write } = createRequire(import.meta.url)('./writer.cjs');

const RESULTS = { passed: 'passed', failed: 'failed', pass: 'passed', fail: 'failed' };

function writeTasks(file, titles, tasks) {
  for (const task of tasks) {
    if (task.tasks) writeTasks(file, [...titles, task.name], task.tasks);
    else write('vitest', file, [...titles, task.name], RESULTS[task.result?.state] ?? 'skipped');
  }
}

export default class Reporter {
  onTestCaseResult(test) {
    const titles = [test.name];
    for (let { parent } = test; parent && parent.type === 'suite'; parent = parent.parent) titles.unshift(parent.name);
    write('vitest', test.module.moduleId, titles, RESULTS[test.result().state] ?? 'skipped');
  }

  onTestModuleEnd(module) {
    if (module.errors().length) write('vitest', module.moduleId, [], 'failed');
  }

  onFinished(files = []) {
    for (const file of files) {
      if (file.result?.errors?.length) write('vitest', file.filepath, [], 'failed');
      writeTasks(file.filepath, [], file.tasks);
    }
  }
}
