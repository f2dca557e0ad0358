import type { ErrorTexts } from '../errors/error.ts';

/** Codes of plan, pipeline, engine and state store. */
export const engineErrors: ErrorTexts = {
  'ETL-MEM-001': { title: 'Column memory is exhausted', text: 'All batches of a process lie in one memory of 1 GiB. One value is too large for it, or too many batches are held at once. Lower limits.concurrency, or drop the column that holds huge values.' },
  'ETL-MEM-002': { title: 'A batch was released twice', text: 'A bug in a connector: a batch has one owner, who releases it once.' },
  'ETL-PLAN-001': { title: 'Unknown stream', text: 'A name or pattern under streams: matches nothing at the source. Either it is misspelt, or the login may not see it. `etl discover` lists what it sees.' },
  'ETL-PLAN-002': { title: '--select takes nothing', text: 'No stream of the job matches the globs after --select.' },
  'ETL-PLAN-003': { title: 'The destination can not write so', text: 'The write mode of the stream is none that the destination can honour. The hint lists those that it can.' },
  'ETL-PLAN-004': { title: 'Key missing or unknown', text: 'merge and scd2 tell rows apart by a key. The stream has no primary key and the job names none, or the job names a column that is not there.' },
  'ETL-PLAN-005': { title: 'Two streams, one table', text: 'Two streams of the job have the same target. Give one a table of its own, or put the schema into the target: schema: "{schema}".' },
  'ETL-RUN-001': { title: 'A split ended without its last checkpoint', text: 'A bug in the source connector: a split is complete only when a checkpoint marked last is committed. Nothing is lost; the split is read again.' },
  'ETL-RUN-010': { title: 'A row is refused', text: 'errors.bad_rows is fail, and a row did not pass the checks, the types or the constraints on its way. Nothing of its commit was written.' },
  'ETL-RUN-011': { title: 'Too many rows are refused', text: 'More rows were refused than errors.max_bad allows. A percentage is of the rows of the stream so far, judged from 10,000 rows on or at the end of a split. Nothing of that commit was written.' },
  'ETL-RUN-020': { title: 'Unknown connection', text: 'The job names a connection that stands neither in it nor in etl.yaml.' },
  'ETL-RUN-021': { title: 'A connection has a wrong setting', text: 'The settings of a connection do not fit its connector. `etl connectors info NAME` lists them.' },
  'ETL-RUN-022': { title: 'The connector has no such role', text: 'Some connectors are sources only, some destinations only. `etl connectors list` shows which.' },
  'ETL-RUN-030': { title: 'Another run is at work', text: 'A lease beside the state is renewed every five seconds by another process. Let it end, wait for it with --wait-lock, or take over with --take-over when it is known to be dead. The data is safe either way: fences, not the lease, guard it.' },
  'ETL-RUN-031': { title: 'The job changed in a way that can not be mixed', text: 'Rows written under another key, write mode, hash key or cast stand in the table. New rows would not fit beside them. Run that stream with --full-refresh, or take the change back.' },
  'ETL-RUN-032': { title: 'The plan has drifted', text: '`run --plan HASH` runs only what was looked at. Something that the hash covers is another now; look at the plan again.' },
  'ETL-RUN-099': { title: 'A bug in etl', text: 'An error that no connector knows. Running the job again is safe: what was committed stands, the rest is read again. Please report it with the output of --debug.' },
  'ETL-STATE-001': { title: 'The state file is damaged', text: 'Destinations that can keep no state have it in .etl/state beside the job. Its checksum does not fit, or it is of a newer version. It is never taken for empty.' },
  'ETL-STATE-002': { title: 'The state belongs to another source', text: 'Positions of one database mean nothing in another. A clone or an upgrade is accepted with `etl state adopt`.' },
  'ETL-STATE-003': { title: 'A newer run has claimed the pipe', text: 'This run was fenced: it stops and deletes nothing.' },
  'ETL-STATE-004': { title: 'Another load has taken the place', text: 'This load is no longer the current one of its streams: a newer run, or a reset, ended it.' },
  'ETL-STATE-005': { title: 'Published too early', text: 'A bug: a load was published before all its parts were complete.' },
  'ETL-STATE-006': { title: 'Another session has the split', text: 'This attempt was fenced by a newer session of the same split: it ends and deletes nothing.' },
  'ETL-STATE-007': { title: 'The state file is locked', text: 'Another process holds the lock of the state file.' },
};
