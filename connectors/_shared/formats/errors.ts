import { EtlError, type ErrorTexts } from '#sdk';

export const formatErrors: ErrorTexts = {
  'ETL-FMT-001': {
    title: 'The format has no form for this value',
    text: 'An infinite date or timestamp, a time of 24:00, a decimal with more digits than its column, or a null in a column that has none. '
      + 'The row goes to quarantine. Say `infinite: null` or `infinite: text` in the target, declare a wider decimal, or send the column as text.',
  },
  'ETL-FMT-002': {
    title: 'A batch does not have the columns of its file',
    text: 'The schema changed without a schema message between. This is a bug: please report it with the run\'s log.',
  },
  'ETL-FMT-003': {
    title: 'A value that the format can\'t hold reached the writer',
    text: 'Rows are checked before they are written, and this one was not taken out. The file is not committed. This is a bug: please report it.',
  },
  'ETL-FMT-004': {
    title: 'Unknown file format',
    text: 'Files are written as `parquet` or `jsonl`. Correct `format` in the target.',
  },
};

export function unwritable(column: string, reason: string): EtlError {
  return new EtlError({ kind: 'internal', code: 'ETL-FMT-003', message: `Column ${column}: ${reason}` });
}
