// After the compiler: the program once more as few files, for loading two hundred small ones is most of a short job's time.
// What holds native code or WebAssembly of its own stays outside. Connectors stay apart: nothing is loaded before a job names it.
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'dist/src');
const out = join(root, 'dist/bundle');
const commands = readdirSync(join(built, 'cli/commands'), { recursive: true }).filter((name) => name.endsWith('.js') && !name.endsWith('.test.js'));

/** What CommonJS libraries expect to find. */
const banner = `import { createRequire as __createRequire } from 'node:module';
const require = __createRequire(import.meta.url);
const __dirname = import.meta.dirname;
const __filename = import.meta.filename;`;

/** Leaves out what a start pays for and no command uses. */
const lighter = {
  name: 'lighter',
  setup(plan) {
    // zod's messages in fifty languages: the English ones are imported by themselves.
    plan.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' }));
    // pg asks whether it runs at Cloudflare by touching `Response`, which loads all of fetch.
    plan.onLoad({ filter: /pg\/lib\/stream\.js$/ }, ({ path }) => ({ contents: readFileSync(path, 'utf8').replaceAll("typeof Response === 'function'", 'false') }));
  },
};

rmSync(out, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  // Names as beside them in dist, so that paths relative to a module mean the same.
  entryPoints: Object.fromEntries([
    'cli/main.js', 'cli/typescript-loader.js', 'sdk/index.js', 'sdk/testing/index.js', ...commands.map((name) => `cli/commands/${name}`),
  ].map((name) => [`src/${name.slice(0, -3)}`, join(built, name)])),
  outdir: out, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', minifySyntax: true, minifyWhitespace: true,
  chunkNames: 'src/cli/[name]-[hash]', sourcemap: false, logLevel: 'warning', banner: { js: banner },
  plugins: [lighter],
  external: ['snappy', '@duckdb/node-api', '@duckdb/node-bindings', '@bokuweb/zstd-wasm', 'amaro', 'pg-native', 'vitest', 'fast-check'],
});
copyFileSync(join(built, 'kernels/kernels.wasm'), join(out, 'src/cli/kernels.wasm'));
