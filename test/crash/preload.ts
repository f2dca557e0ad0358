import { appendFileSync } from 'node:fs';
import type { installFailpoints as Install } from '../../src/sdk/failpoint.ts';

/**
 * Loaded into `etl` with --import. Every failpoint is written to CRASH_TRACE before it is passed, and at the CRASH_AT-th the
 * process ends itself by SIGKILL or stops itself by SIGSTOP: no handler, no flush, no finally runs.
 */
const trace = process.env['CRASH_TRACE'];
const at = Number(process.env['CRASH_AT'] ?? 0);
const signal = process.env['CRASH_SIGNAL'] === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL';
let hits = 0;

if (trace !== undefined) {
  // bin/etl.js runs the bundle: the hook has to stand in the bundle's own module, which is the one that is shipped.
  const { installFailpoints } = (await import(new URL('../../bundle/src/sdk/index.js', import.meta.url).href)) as { installFailpoints: typeof Install };
  installFailpoints((name) => {
    hits++;
    appendFileSync(trace, `${name}\n`);
    if (hits !== at) return;
    appendFileSync(trace, `!${name}\n`);
    process.kill(process.pid, signal);
  });
  // Asked by the harness before it ends a process that hangs.
  process.on('SIGUSR2', () => appendFileSync(trace, `?${JSON.stringify(process.getActiveResourcesInfo())}\n`));
}
