import { destinationAcceptance } from '../../src/sdk/testing/acceptance/destination.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { duckdbCapabilities } from './config.ts';
import { scratch } from './helper.ts';

const place = scratch();

destinationAcceptance({
  name: 'duckdb',
  capabilities: duckdbCapabilities(),
  ordered: true,
  scriptedSeeds: 1,
  make: () => place.destination(),
  readTable: (target) => place.table(target.table),
  dropTarget: async (target) => void (await place.query(`drop table if exists "${target.table}"`)),
  stop: () => Promise.resolve(place.remove()),
}, { describe, test, expect, beforeAll, afterAll });
