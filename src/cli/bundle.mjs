// After the compiler: the program once more as one script, which bin/load.js runs, and three that few jobs need. Loading two hundred files is most
// of a short job's time.
// What holds native code or WebAssembly of its own stays outside.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'dist/src');
// Folders as beside it in dist, so that paths relative to a module mean the same.
const out = join(root, 'dist/bundle/src');

/** Leaves out what a start pays for and no command uses. */
const lighter = {
  name: 'lighter',
  setup(plan) {
    // zod's messages in fifty languages: the English ones are imported by themselves.
    plan.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' }));
    // Connectors in files have all of zod; of the program's own copy only what it uses is left.
    plan.onResolve({ filter: /^zod$/ }, ({ importer }) => (importer.endsWith('sdk/etl.js') ? { path: 'zod', external: true } : undefined));
    // bin/etl.js prints help, from what the build wrote.
    plan.onLoad({ filter: /@oclif\/core\/lib\/help\/index\.js$/ }, () => ({ contents: 'module.exports = {};' }));
    // oclif's own log, which nobody reads here.
    plan.onLoad({ filter: /node_modules\/debug\/src\/index\.js$/ }, () => ({ contents: 'module.exports = () => Object.assign(() => {}, { enabled: false });' }));
    // Its errors are told by our own output: no spinner turns, no text is wrapped, and lines may be as long as they are.
    plan.onLoad({ filter: /@oclif\/core\/lib\/parser\/help\.js$|node_modules\/(wrap-ansi|clean-stack|indent-string)\/index\.js$/ }, () => ({ contents: 'module.exports = {};' }));
    plan.onLoad({ filter: /@oclif\/core\/lib\/screen\.js$/ }, () => ({ contents: 'module.exports = { stdtermwidth: Infinity, errtermwidth: Infinity };' }));
    // No pool of pg's, and no client of its native kind.
    plan.onLoad({ filter: /pg-pool\/index\.js$|pg\/lib\/native\/index\.js$/ }, () => ({ contents: 'module.exports = class {};' }));
    // pg asks whether it runs at Cloudflare by touching `Response`, which loads all of fetch.
    plan.onLoad({ filter: /pg\/lib\/stream\.js$/ }, ({ path }) => ({ contents: readFileSync(path, 'utf8').replaceAll("typeof Response === 'function'", 'false') }));
    // A login by pg's WebCrypto takes eleven trips to other threads, and loads what nothing else needs.
    plan.onLoad({ filter: /pg\/lib\/crypto\/utils\.js$/ }, () => ({ contents: readFileSync(new URL('pg-crypto.cjs', import.meta.url), 'utf8') }));
    // DuckDB's driver asks for musl by a package that loads five files and child_process. Its own folder is where its native part is found.
    plan.onLoad({ filter: /@duckdb\/node-bindings\/duckdb\.js$/ }, ({ path }) => ({
      contents: `const { createRequire } = require('node:module');\nconst native = createRequire(createRequire(__filename).resolve('@duckdb/node-bindings'));\n${readFileSync(path, 'utf8').replaceAll(/require\((['\x60])@duckdb/g, 'native($1@duckdb')}`,
    }));
    // A script of vm cannot import by itself: bin/load.js does it.
    plan.onLoad({ filter: /src\/cli\/connector-file\.js$/ }, ({ path }) => ({ contents: readFileSync(path, 'utf8').replace(' import(', ' __import(') }));
  },
};

/** What a start names and seldom uses: each is loaded at the first look at one of its exports. */
const LATE = /^(node:)?(child_process|dns|perf_hooks|readline)$|^supports-color$/;
const late = {
  name: 'late',
  setup(plan) {
    plan.onResolve({ filter: LATE }, ({ path, namespace, resolveDir }) => (namespace === 'late' ? undefined : { path, namespace: 'late', pluginData: resolveDir }));
    // As the prototype, for those that copy what they import.
    plan.onLoad({ filter: /.*/, namespace: 'late' }, ({ path, pluginData }) => ({ resolveDir: pluginData, contents: `module.exports = Object.create(new Proxy({}, { get: (_, name) => require(${JSON.stringify(path)})[name] }));` }));
  },
};

/** One script of an entry and all that it imports, but for `external`. */
async function script(name, entry, external) {
  const { outputFiles: [{ text }] } = await build({
    write: false,
    absWorkingDir: root, entryPoints: [entry], outfile: join(out, 'cli', name), plugins: [late, lighter], logLevel: 'warning',
    bundle: true, format: 'cjs', platform: 'node', target: 'node20', minifySyntax: true, minifyWhitespace: true,
    banner: { js: "(function (exports, require, module, __filename, __import) { const __url = require('node:url').pathToFileURL(__filename).href;" }, footer: { js: '})' },
    define: { 'import.meta.url': '__url' }, supported: { 'dynamic-import': false }, external,
  });
  // One byte a character is read fastest; esbuild escapes all others but in regular expressions.
  if (/[^\0-\xff]/.test(text)) throw new Error(`${name} does not fit into Latin-1`);
  // The mark by which bin/load.js knows what was compiled from it.
  writeFileSync(join(out, 'cli', name), `/* ${createHash('sha256').update(text).digest('hex')} */ \n${text}`, 'latin1');
}

rmSync(join(root, 'dist/bundle'), { recursive: true, force: true });
mkdirSync(join(out, 'cli'), { recursive: true });
await script('etl.cjs', join(built, 'cli/main.js'), ['snappy', '@duckdb/node-api', '@duckdb/node-bindings', '@bokuweb/zstd-wasm', 'amaro', 'pg-native']);
await script('duckdb.cjs', '@duckdb/node-api', ['@duckdb/node-bindings']);
await script('duckdb-native.cjs', '@duckdb/node-bindings', []);
await script('zod.cjs', 'zod', []);
copyFileSync(join(built, 'kernels/kernels.wasm'), join(out, 'cli/kernels.wasm'));
copyFileSync(join(built, 'cli/typescript-loader.js'), join(out, 'cli/typescript-loader.js'));

// What connectors in files import: the same copy as the program's.
const names = Object.keys(await createRequire(import.meta.url)('../../bin/load.js').sdk());
mkdirSync(join(out, 'sdk/testing'), { recursive: true });
writeFileSync(join(out, 'sdk/etl.js'), `import program from '../../../../bin/load.js';\nexport const { ${names.join(', ')} } = await program.sdk();\n`);
writeFileSync(join(out, 'sdk/testing/index.js'), "export * from '../../../../src/sdk/testing/index.js';\n");
