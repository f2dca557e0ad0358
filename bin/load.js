// The program: one script, run from the form that V8 compiled it to at build time (see src/cli/compile.mjs). Compiling is most of what a
// short job would cost. Another version of V8 refuses that form, and compiles anew.
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const vm = require('node:vm');

const file = join(__dirname, '../dist/bundle/src/cli/etl.cjs');

function compiled() {
  try {
    return readFileSync(`${file}.compiled`);
  } catch {
    return undefined;
  }
}

const cachedData = compiled();
const script = new vm.Script(readFileSync(file, 'latin1'), { filename: file, ...(cachedData && { cachedData }) });
const program = { exports: {} };
script.runInThisContext()(program.exports, createRequire(file), program, file, (url) => import(url));
module.exports = { ...program.exports, script };
