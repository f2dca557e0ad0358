// The program: one script, run from the form that V8 compiled it to at build time (see src/cli/compile.mjs). Compiling is most of what a
// short job would cost. Another version of V8 refuses that form, and compiles anew.
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const vm = require('node:vm');

const file = join(__dirname, '../dist/bundle/src/cli/etl.cjs');

const source = readFileSync(file, 'latin1');
const MARK = 72;

/** V8 itself compares no more than the length of the source: both begin with the build's mark. */
function compiled() {
  try {
    const data = readFileSync(`${file}.compiled`);
    return data.latin1Slice(0, MARK) === source.slice(0, MARK) ? { cachedData: data.subarray(MARK) } : {};
  } catch {
    return {};
  }
}

const script = new vm.Script(source, { filename: file, ...compiled() });
const program = { exports: {} };
script.runInThisContext()(program.exports, createRequire(file), program, file, (url) => import(url));
module.exports = { ...program.exports, script, mark: source.slice(0, MARK) };
