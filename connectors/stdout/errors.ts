import { EtlError, type ErrorTexts } from '#sdk';
import { formatErrors } from '../_shared/formats/errors.ts';

export const errors: ErrorTexts = {
  ...formatErrors,
  'ETL-STDOUT-001': {
    title: 'The reader of the pipe has gone',
    text: 'Whatever read standard output (`head`, a program that stopped) has closed the pipe. What was not yet committed comes again at the next run.',
  },
  'ETL-STDOUT-002': {
    title: 'Standard output can not be written',
    text: 'Writing failed for the reason given, such as a full disk behind a redirection. What was not yet committed comes again at the next run.',
  },
  'ETL-STDOUT-003': {
    title: 'Rows before their schema',
    text: 'A batch came for a target whose columns are not known. This is a bug: please report it.',
  },
};

export function pipeError(error: unknown): EtlError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
    return new EtlError({ kind: 'not_found', code: 'ETL-STDOUT-001', message: 'The reader of standard output has gone.', hint: 'Run again to go on from the last commit.', cause: error });
  }
  return new EtlError({ kind: 'not_found', code: 'ETL-STDOUT-002', message: `Standard output can't be written: ${code || String(error)}.`, hint: 'Check where standard output is redirected to.', cause: error });
}
