import { EtlError, type ErrorTexts } from '#sdk';

export const logErrors: ErrorTexts = {
  'ETL-LOG-001': {
    title: 'A newer run has taken over',
    text: 'Another run of the same job claimed the destination after this one. This run stops and deletes nothing; what it had committed stays. Nothing is to be done.',
  },
  'ETL-LOG-002': {
    title: 'The load is no longer the current one',
    text: 'The load that this writer works for was published, reset or replaced by another. This attempt stops and deletes nothing.',
  },
  'ETL-LOG-003': {
    title: 'The split has a newer writer',
    text: 'Another session opened the same split after this one. This attempt ends; the newer one goes on.',
  },
  'ETL-LOG-004-UNKNOWN': {
    title: 'The answer to a commit was lost',
    text: 'Whether the record is durable is not known. The split is opened again, which finds out; nothing is written twice.',
  },
  'ETL-LOG-005': {
    title: 'A record of the commit log can not be read',
    text: 'A record under the _etl folder is damaged or was edited. Restore the folder from a backup, or move the table and the _etl folder of the job away and run a full refresh.',
  },
  'ETL-LOG-006': {
    title: 'The commit log was written by a newer version',
    text: 'This version does not know the format of a record. Use the version that wrote it, or a newer one.',
  },
  'ETL-LOG-007': {
    title: 'Published before every part is complete',
    text: 'A load may be published only when all its splits are complete. This is a bug: please report it.',
  },
  'ETL-LOG-008': {
    title: 'Another load began meanwhile',
    text: 'The last load of a stream is not the one that this run planned after. Another run began one; this run stops and deletes nothing.',
  },
  'ETL-LOG-009': {
    title: 'The source is another one than the state names',
    text: 'The positions at the destination belong to another database, cluster or account. If that is wanted (a clone, an upgrade, a restored backup): `etl state adopt`; otherwise correct the connection.',
  },
};

type Scope = 'run' | 'load' | 'split';
const FENCED: Readonly<Record<Scope | 'begin', readonly [code: string, message: string, scope: Scope]>> = {
  run: ['ETL-LOG-001', 'A newer run has taken over this pipe.', 'run'],
  load: ['ETL-LOG-002', 'The load is no longer the current one of its streams.', 'load'],
  split: ['ETL-LOG-003', 'The split has been opened by another session.', 'split'],
  begin: ['ETL-LOG-008', 'Another load began since this one was planned.', 'load'],
};

/** A newer claim holds: end, delete nothing (rule 7). */
export function fenced(what: Scope | 'begin'): EtlError {
  const [code, message, scope] = FENCED[what];
  return new EtlError({ kind: 'fenced', code, message, scope });
}

/** The record may be there or may come (rule 9). */
export function unknownOutcome(cause: unknown): EtlError {
  return new EtlError({ kind: 'transient', code: 'ETL-LOG-004-UNKNOWN', message: 'Whether the last record is durable is not known.', cause });
}

export function unreadable(number: number, cause: unknown): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-LOG-005', message: `Record ${number} of the commit log can not be read.`,
    hint: 'Restore the _etl folder from a backup, or move it and the tables away and run with --full-refresh.', cause,
  });
}
