// The program: one script, two for what only DuckDB needs and one for connectors in files, each run from the form that V8 compiled it to at
// build time (see src/cli/compile.mjs). Compiling is most of what a short job would cost, and reading what it doesn't need a part of the
// rest. Another version of V8 refuses that form, and compiles anew.
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const vm = require('node:vm');

const folder = join(__dirname, '../dist/bundle/src/cli');
const MARK = 72;
/** Script and mark of each file that was loaded. */
const scripts = new Map();
/** Packages that are scripts of their own. */
const apart = { '@duckdb/node-api': 'duckdb.cjs', '@duckdb/node-bindings': 'duckdb-native.cjs', zod: 'zod.cjs' };

/** V8 itself compares no more than the length of the source: both begin with the build's mark. */
function compiled(file, mark) {
  try {
    const data = readFileSync(`${file}.compiled`);
    return data.latin1Slice(0, MARK) === mark ? { cachedData: data.subarray(MARK) } : {};
  } catch {
    return {};
  }
}

function load(name) {
  const file = join(folder, name);
  const source = readFileSync(file, 'latin1');
  const mark = source.slice(0, MARK);
  const script = new vm.Script(source, { filename: file, ...compiled(file, mark) });
  scripts.set(name, { script, mark });
  const module = { exports: {} };
  const others = createRequire(file);
  const require = (id) => (Object.hasOwn(apart, id) ? (loaded[id] ??= load(apart[id])) : others(id));
  script.runInThisContext()(module.exports, require, module, file, (url) => import(url));
  return module.exports;
}

const loaded = {};
module.exports = { ...load('etl.cjs'), scripts };
