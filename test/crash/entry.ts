import { main } from '../../src/cli/main.ts';

/** `etl` from its compiled modules, whose failpoints the preload can reach; bin/etl.js runs the same code bundled in one file. */
await main(process.argv.slice(2), new URL('../../../bin/etl.js', import.meta.url).href);
