import type { PlantedBug } from './harness.ts';
import { changeBugs } from './planted-changes.ts';
import { crashBugs } from './planted-crash.ts';
import { commitBugs } from './planted-commit.ts';
import { diskBugs } from './planted-disk.ts';
import { splitBugs } from './planted-splits.ts';

/** All mistakes that are planted, on the routes of today. */
export const PLANTED: readonly PlantedBug[] = [...commitBugs, ...splitBugs, ...changeBugs, ...diskBugs, ...crashBugs];

/** The mistakes that a harness must find to be trusted. Each is planted at least once, under its name. */
export const NAMES: readonly string[] = [
  'state outside the transaction', 'delete on unknown', 'commit repeated on unknown', 'looking without taking the epoch', 'commit without the load check',
  'commit without the split epoch', 'publish without comparing the incarnation', 'a target created anew while state names one', 'reset keeps an append\'s rows',
  'stage named by split alone', 'begin without compare-and-set', 'begin without the run epoch', 'a live load complete and never published',
  'published from the position in memory', 'reset that lowers an epoch', 'acknowledgement before the commit',
  'an iterator\'s end taken for last', 'the tail before a stop lost', 'split ids reused by the next load', 'ctid ranges continued under a new snapshot',
  '> for >= at a cursor', 'publish before the last part', 'a dropped target with its state kept',
  'fold by row', 'unavailable taken as NULL', 'moved row filled from the new key', 'deletes before reads', 'truncate forgotten in a fold',
  'numbers deleted', 'hint trusted', 'open without nonce', 'record without revision, sent again', 'record before its data is synced',
  'record resting on an unsynced link', 'acknowledged before the fsync', 'names given before the record',
];
