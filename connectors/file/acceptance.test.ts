import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Target } from '#sdk';
import { destinationAcceptance, testPorts } from '#testing';
import { readTable, visibleFiles, type TextRow } from '../../test/helpers/read-table.ts';
import { fileCapabilities } from './config.ts';
import { createFileDestination } from './destination.ts';
import { tableOf } from './layout.ts';

/** JSON lines by hand: their texts are the canonical ones. */
function readLines(folder: string): TextRow[] {
  return visibleFiles(folder, 'jsonl').flatMap((file) => readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value as string | number)]));
  }));
}

for (const format of ['jsonl', 'parquet'] as const) {
  let root = '';
  let seed = 100;
  const folderOf = (target: Target): string => join(root, tableOf(target));
  destinationAcceptance({
    name: `file, ${format}`,
    capabilities: fileCapabilities,
    ordered: true,
    target: { options: { format } },
    start: () => {
      root = mkdtempSync(join(tmpdir(), 'etl-accept-'));
      return Promise.resolve();
    },
    stop: () => {
      rmSync(root, { recursive: true, force: true });
      return Promise.resolve();
    },
    make: () => Promise.resolve(createFileDestination({ path: root }, { directory: '/', ports: testPorts(seed++), note: () => undefined })),
    readTable: (target) => (format === 'jsonl' ? Promise.resolve(readLines(folderOf(target))) : readTable(folderOf(target))),
    dropTarget: (target) => {
      rmSync(folderOf(target), { recursive: true, force: true });
      return Promise.resolve();
    },
  }, { describe, test, expect, beforeAll, afterAll });
}
