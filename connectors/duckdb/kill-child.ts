/** Runs the scripted world into a database file and kills itself at the nth passing of a failpoint. Started by kill.test.ts. */
import { installFailpoints } from '#sdk';
import { runWorld } from './kill-world.ts';

const [path = '', world = '', write = '', point = '', nth = '1', linger = ''] = process.argv.slice(2);
let passed = 0;
installFailpoints(async (name) => {
  if (name !== point || ++passed !== Number(nth)) return;
  if (linger === '') process.kill(process.pid, 'SIGKILL');
  process.stdout.write('held\n');
  await new Promise(() => setInterval(() => undefined, 1000));
});
await runWorld(path, { world: world as 'live', write: write as 'merge' }, 'child');
process.stdout.write('done\n');
