/** What a connector in a file imports as `etl`: the contract, and the zod of this package, so that it needs no install of its own. */
export * from './index.ts';
export { z } from 'zod';
