import { appendFileSync } from 'node:fs';
import type { installFailpoints as Install } from '../../src/sdk/failpoint.ts';

/**
 * Loaded into `etl` with --import. Every failpoint is written to CRASH_TRACE as it is passed; at the one that CRASH_AT names
 * (`name#nth#signal`) the process ends itself by SIGKILL or stops itself by SIGSTOP: no handler, no flush, no finally runs.
 */
const trace = process.env['CRASH_TRACE'];
const [wanted = '', nth = '', signal = ''] = (process.env['CRASH_AT'] ?? '').split('#');
let passed = 0;

if (trace !== undefined) {
  // bin/etl.js runs the bundle: the hook has to stand in the bundle's own module, which is the one that is shipped.
  const { installFailpoints } = (await import(new URL('../../bundle/src/sdk/etl.js', import.meta.url).href)) as { installFailpoints: typeof Install };
  installFailpoints((name) => {
    appendFileSync(trace, `${name}\n`);
    if (name === wanted && ++passed === Number(nth)) process.kill(process.pid, signal as NodeJS.Signals);
  });
}
