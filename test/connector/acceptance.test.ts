import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selectionFor, sourceAcceptance, testPorts } from '#testing';
import connector from '../../examples/connector/my-source.ts';

const directory = fileURLToPath(new URL('../../examples/connector', import.meta.url));

for (const sync of ['full', 'incremental'] as const) {
  sourceAcceptance({
    name: `example ${sync}`,
    async make() {
      if (!connector.source) throw new Error('the example is a source');
      return connector.source.create({ folder: 'data' }, { ports: testPorts(1), directory, maxBufferedBytes: 1 << 20, note: () => undefined });
    },
    selection: () => [selectionFor('orders', ['id'], { sync, write: 'merge' })],
  }, { describe, test, expect, beforeAll, afterAll });
}
