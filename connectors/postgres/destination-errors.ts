import type { ErrorTexts } from '#sdk';

/** Codes of the destination; those of the connection are in errors.ts. */
export const destinationErrors: ErrorTexts = {
  'ETL-PG-101': { title: 'The commit was rolled back', text: 'The server answered COMMIT with ROLLBACK: nothing of it was written. The run tries again from what is committed.' },
  'ETL-PG-102-UNKNOWN': { title: 'A commit without an answer', text: 'The connection broke, or the server warned, while a commit was under way. It may have happened. Nothing else is sent; the next session takes a new epoch and reads what is committed, so nothing comes twice and nothing is lost.' },
  'ETL-PG-105': { title: 'The target refused a row', text: 'A value does not fit the type of its column, and the server said so while rows were copied. The message names the column. Cast the column, clean it at the source, or let a check reject such rows.' },
  'ETL-PG-106': { title: 'A date that Postgres does not hold', text: 'Postgres holds dates from 4713 BC to the year 5874897 and timestamps to the year 294276. Cast the column to text, or reject such rows by a check.' },
  'ETL-PG-107': { title: 'A list without an array type', text: 'The list\'s element has no array in Postgres. Report it with the column\'s type.' },
  'ETL-PG-110': { title: 'Another run has taken over', text: 'A newer run or session holds the pipe, the load or the split. This one ends and has changed nothing since.' },
  'ETL-PG-111': { title: 'State and data do not belong together', text: 'The source is another one than before, the target table was dropped, made anew or restored from a dump, or another job writes it. `etl state adopt` accepts things as they are, and takes over what another job wrote; a full refresh builds them again.' },
  'ETL-PG-112': { title: 'The target\'s schema does not fit', text: 'The change is not additive, or the stream\'s contract forbids it. The message names the columns.' },
  'ETL-PG-113': { title: 'The job was changed in a way that one table can not hold', text: 'Key, write mode, hash key or a cast differ from those that the table was written with. Run a full refresh.' },
  'ETL-PG-114': { title: 'A value was not sent, and nobody has it', text: 'The source leaves unchanged large values out, and the target has no row to take them from. Set REPLICA IDENTITY FULL, run a full refresh, or set a placeholder.' },
  'ETL-PG-115': { title: 'A key comes twice', text: 'Rows of one load have the same key.' },
  'ETL-PG-116': { title: 'A step came out of turn', text: 'The program called the destination in an order that the protocol does not allow. Report it.' },
  'ETL-PG-117': { title: 'The table can not be made anew', text: 'Something rests on the target that another table in its place would not have (a view, an index, a constraint, a trigger, a policy, a setting), so it is filled in place. But a column is to have another type that is no wider one, or the key is to change, which can not be done there. Nothing was changed. Change the table by hand, or take away what rests on it.' },
  'ETL-PG-118': { title: 'The target left rows out', text: 'A trigger that returns NULL, or a rule, of the target kept rows from being stored, changed or removed. Nothing of that commit was written: the table is as it was. A trigger that only spares the server what changes nothing is let be.' },
  'ETL-SQL-002': { title: 'The state was written by a newer version', text: 'The tables of state beside the data have a form that this version does not know. Nothing was read or written. Use the version that wrote it, or a newer one.' },
  'ETL-SQL-001': { title: 'The target would refuse the row', text: 'A NOT NULL, a CHECK or the length or range of a column of the target does not allow the row. It lies in quarantine with its reason.' },
};
