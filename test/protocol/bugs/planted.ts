import type { PlantedBug } from './harness.ts';
import { changeBugs } from './planted-changes.ts';
import { crashBugs } from './planted-crash.ts';
import { commitBugs } from './planted-commit.ts';
import { diskBugs } from './planted-disk.ts';
import { splitBugs } from './planted-splits.ts';

/** The mistakes of docs/protocol.md, section 4, that belong to the routes of today. */
export const PLANTED: readonly PlantedBug[] = [...commitBugs, ...splitBugs, ...changeBugs, ...diskBugs, ...crashBugs];
