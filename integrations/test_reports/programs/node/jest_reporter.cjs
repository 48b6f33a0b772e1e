// A reporter of jest.
'use strict';

const { write } = require('./writer.cjs');

const RESULTS = { passed: 'passed', failed: 'failed' };

module.exports = class Reporter {
  onTestResult(_, { testFilePath, testResults, testExecError }) {
    if (testExecError) write('jest', testFilePath, [], 'failed');
    for (const { ancestorTitles, title, status } of testResults) {
      write('jest', testFilePath, [...ancestorTitles, title], RESULTS[status] || 'skipped');
    }
  }
};
