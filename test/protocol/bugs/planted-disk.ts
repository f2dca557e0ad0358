import type { Catcher, PlantedBug } from './harness.ts';
import { fileSuite } from './planted-commit.ts';

const LOG = 'connectors/_shared/commit-log/log.ts';
const DISK = 'connectors/_shared/commit-log/disk/log.ts';
const INTENTS = 'connectors/_shared/commit-log/intents.ts';
/** Through a disk with a volatile cache: a kill does not show what a loss of power does. */
const power: Catcher = { suite: 'connectors/file/power.test.ts', project: 'service' };
const oneWriter: Catcher = { ...power, only: 'rule 26: what was acknowledged' };
const protocol: Catcher = { suite: 'connectors/file/protocol.unit.test.ts', project: 'unit' };

/** The log of numbered records, and the order of syncs on a disk. */
export const diskBugs: readonly PlantedBug[] = [
  {
    name: 'numbers deleted', catcher: { rounds: 'jsonl' },
    edits: [{ file: DISK, find: "if (name.endsWith('.tmp')) await", replace: "if (name.endsWith('.tmp') || RECORD.test(name)) await" }],
  },
  {
    name: 'hint trusted', catcher: protocol,
    edits: [{ file: LOG, find: '    this.last = number;\n  }\n\n  private async read', replace: '    this.last = hint;\n  }\n\n  private async read' }],
  },
  {
    name: 'open without nonce', catcher: fileSuite,
    edits: [{
      file: INTENTS, find: '      const split = current.splits.get(wish.split);\n      opened.epoch',
      replace: "      const split = current.splits.get(wish.split);\n      if (opened.epoch > 0 && split?.epoch === opened.epoch) return 'done';\n      opened.epoch",
    }],
  },
  {
    name: 'record without revision, sent again', catcher: fileSuite,
    edits: [{ file: INTENTS, find: 'split.epoch === body.epoch && split.revision >= body.revision', replace: 'split.epoch === body.epoch && split.position !== undefined' }],
  },
  { name: 'record before its data is synced', catcher: oneWriter, edits: [{ file: 'connectors/file/data-file.ts', find: '    await this.file.fsync(); // the data holds before the record that lists it\n', replace: '' }] },
  { name: 'record resting on an unsynced link', catcher: power, edits: [{ file: DISK, find: '    await this.harden(number - 1); // what it rests on holds before it does\n', replace: '' }] },
  { name: 'acknowledged before the fsync', catcher: oneWriter, edits: [{ file: DISK, find: '      await this.harden(number); // from here on the record holds\n', replace: '' }] },
  {
    name: 'names given before the record', catcher: power,
    edits: [{ file: 'connectors/file/session.ts', find: "      await failpoint('file.commit.prepared');\n", replace: "      await failpoint('file.commit.prepared');\n      await this.show(body);\n" }],
  },
];
