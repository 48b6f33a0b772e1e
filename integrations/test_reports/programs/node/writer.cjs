// Writes one JSON line per result, at once, so that a crash keeps what ran.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const RESULTS = path.join(__dirname, '..', '..', 'results');
let file = '';

exports.createName = () => path.join(RESULTS, `${Date.now()}000000-${process.pid}.jsonl`);

exports.build = (source, testFile, titles, result) => {
  const name = testFile ? path.relative(process.cwd(), testFile) : '';
  const id = [name, ...titles].filter(Boolean).join(' > ').slice(0, 1000);
  return `${JSON.stringify({ source, id, result })}\n`;
};

exports.write = (source, testFile, titles, result) => {
  file = file || exports.createName();
  try {
    fs.appendFileSync(file, exports.build(source, testFile, titles, result));
  } catch {
    // The tests run without a report.
  }
};
