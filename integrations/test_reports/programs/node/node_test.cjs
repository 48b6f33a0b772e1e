// A reporter of node:test.
'use strict';

const path = require('node:path');
const { build } = require('./writer.cjs');

module.exports = async function* report(source) {
  const titles = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') titles[data.nesting] = data.name;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const isFile = data.nesting === 0 && data.file && path.resolve(data.name) === path.resolve(data.file);
    if (isFile && type === 'test:pass') continue;
    if (data.details && data.details.type === 'suite' && type === 'test:pass') continue;
    const isSkipped = Boolean(data.skip || data.todo) || data.skip === '' || data.todo === '';
    const result = isSkipped ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    yield build('node:test', data.file, isFile ? [] : [...titles.slice(0, data.nesting), data.name], result);
  }
};
