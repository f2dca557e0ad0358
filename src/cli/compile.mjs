// After the bundle: what V8 makes of it, kept beside it for bin/load.js. Small jobs run first, so that it holds the functions that runs need:
// what it lacks, each process compiles anew.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { startPostgres } from '../../dist/test/services/postgres.js';

setFlagsFromString('--no-flush-bytecode'); // V8 would forget functions that have not run for a while
const root = fileURLToPath(new URL('../../', import.meta.url));
const { main, leave, sdk, scripts } = createRequire(import.meta.url)('../../bin/load.js');
const folder = mkdtempSync(join(tmpdir(), 'etl-compile-'));

async function run(name, source, target, stream) {
  const job = join(folder, `${name}.yaml`);
  writeFileSync(job, JSON.stringify({ version: 1, name, connections: { source, target }, source: 'source', target: 'target', streams: stream }));
  await main(['run', job, '--quiet']);
  if (process.exitCode !== 0) throw new Error(`the job that warms the compiler failed: ${name}`);
}

async function runFromPostgres(server) {
  await server.query("create table public.warm as select i as id, clock_timestamp() as at, i * 0.5 as price, 'text ' || i as words from generate_series(1, 100) i");
  const source = { type: 'postgres', url: server.url };
  const full = { 'public.warm': { sync: 'full', write: 'replace' } };
  await run('parquet', source, { type: 'file', path: 'parquet' }, full);
  // more than one batch, which DuckDB takes in another way
  await server.query("create table public.large as select i as id, clock_timestamp() as at, 'text ' || i as words from generate_series(1, 100000) i");
  await run('duckdb', source, { type: 'duckdb', path: 'warm.duckdb' }, { ...full, 'public.large': { sync: 'full', write: 'replace' } });
  const merge = { 'public.warm': { sync: 'incremental', write: 'merge', cursor: 'at', key: 'id' } };
  const target = { type: 'postgres', url: await server.createDatabase('target') };
  await run('merge', source, target, merge);
  await server.query("insert into public.warm select i, clock_timestamp(), i, 'more' from generate_series(101, 110) i");
  await run('merge', source, target, merge);
}

const server = await startPostgres().catch((error) => {
  process.stderr.write(`no Postgres here, so each start compiles what its job needs: ${error.message}\n`);
});
if (server) {
  try {
    await runFromPostgres(server);
  } finally {
    await server.stop();
  }
}
rmSync(folder, { recursive: true });
await sdk(); // so that zod's whole script is there
setFlagsFromString('--flush-bytecode');
for (const [name, { script, mark }] of scripts) writeFileSync(join(root, `dist/bundle/src/cli/${name}.compiled`), Buffer.concat([Buffer.from(mark, 'latin1'), script.createCachedData()]));
await leave();
