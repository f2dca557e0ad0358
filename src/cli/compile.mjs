// After the bundle: what V8 makes of it, kept beside it for bin/load.js. A small job runs first, so that it holds the functions that a run needs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { main, leave, script, mark } = createRequire(import.meta.url)('../../bin/load.js');
const folder = mkdtempSync(join(tmpdir(), 'etl-compile-'));
const job = join(folder, 'job.yaml');
writeFileSync(job, `
version: 1
name: compile
connections:
  source: { type: ${join(root, 'examples/connector/my-source.ts')}, folder: ${join(root, 'examples/connector/data')} }
  target: { type: file, path: out }
source: source
target: target
streams:
  orders: { sync: incremental, write: append }
`);
// Nobody reads the list.
process.stdout.write = () => true;
await main(['connectors', 'list'], root);
await main(['run', job, '--quiet'], root);
rmSync(folder, { recursive: true });
if (process.exitCode !== 0) throw new Error('the job that warms the compiler failed');
writeFileSync(join(root, 'dist/bundle/src/cli/etl.cjs.compiled'), Buffer.concat([Buffer.from(mark, 'latin1'), script.createCachedData()]));
await leave();
