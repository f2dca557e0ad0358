import { defineConfig } from 'vitest/config';

const source = { ssr: { resolve: { conditions: ['etl-source', 'node'] } } };

export default defineConfig({
  test: {
    projects: [
      /** Beside the code: no service, no process, seconds. */
      { ...source, test: { name: 'unit', include: ['src/**/*.test.ts', 'connectors/**/*.unit.test.ts'], testTimeout: 120_000 } },
      /** Needs real servers or child processes: test/ and connectors' *.test.ts. */
      {
        ...source,
        test: { name: 'service', include: ['test/**/*.test.ts', 'connectors/**/*.test.ts'], exclude: ['**/*.unit.test.ts'], testTimeout: 900_000, hookTimeout: 300_000, pool: 'forks', maxWorkers: 2 },
      },
    ],
  },
});
