import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { destinationAcceptance } from './acceptance/destination.ts';
import { memoryDestination, memoryTable } from './memory-destination.ts';
import { emptyStore } from './memory-store.ts';

const store = emptyStore();

destinationAcceptance({
  name: 'memory',
  capabilities: memoryDestination().capabilities,
  ordered: true,
  make: () => Promise.resolve(memoryDestination({ store })),
  readTable: (target) => Promise.resolve(memoryTable(store, target.table)),
  dropTarget: (target) => {
    delete store.tables[target.table];
    return Promise.resolve();
  },
}, { describe, test, expect, beforeAll, afterAll });
