import type { ErrorTexts } from '../errors/error.ts';

export const cliErrors: ErrorTexts = {
  'ETL-CLI-000': { title: 'An error that nobody expected', text: 'A bug in etl, or a driver’s error that it does not know. What was committed stays, and running the job again is safe. Run again with --debug to see the stack, and report it.' },
  'ETL-CLI-001': { title: 'The command line can not be understood', text: 'An unknown command, flag or argument. `etl --help` lists the commands, `etl COMMAND --help` the flags.' },
  'ETL-CLI-002': { title: 'A value of a flag can not be read', text: 'The message names the flag and the form of its value.' },
  'ETL-CLI-003': { title: 'Confirmation is missing', text: 'The command changes what later runs do. Look at what it says it would do, and say --yes.' },
  'ETL-CLI-004': { title: 'There is no such error code', text: 'Codes look like ETL-PG-012. `etl explain` without a code lists all of them.' },
  'ETL-CLI-005': { title: 'Two things want the standard output', text: 'A job that writes rows to stdout can not print its JSON result there too. Read the summary from .etl/runs, or send the rows to a file.' },
  'ETL-CLI-006': { title: 'The job has no such stream', text: 'The stream must be one of the job and known at the source. `etl plan` lists the streams of a job.' },
  'ETL-CLI-007': { title: 'A check failed', text: '`etl check` found something that a run would stumble over. Each line says what to do.' },
  'ETL-CLI-008': { title: 'A file can not be read or written', text: 'The message names the file and the cause.' },
  'ETL-CLI-009': { title: 'A file is not an export of state', text: '`etl state import` reads what `etl state export` wrote, for the same job.' },
  'ETL-CLI-010': { title: 'Problems in job files', text: '`etl lint` found errors, or warnings under --strict. Each is printed with its place.' },
  'ETL-CLI-011': { title: 'The command could never end', text: 'Nothing is left to wait for, no connection and no timer, and the command has not ended: a connector waits for a promise that nobody settles. Nothing that was not committed is there; what was stays.' },
};
