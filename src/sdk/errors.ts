import type { ErrorTexts } from '../errors/error.ts';

export const sdkErrors: ErrorTexts = {
  'ETL-SDK-001': {
    title: 'Rows without a position',
    text: 'An incremental read of a simple source ended with rows that no position covers, so the next run would read them again. Its `read` has to give a position with its last page; a stream that has none can only be read with `sync: full`.',
  },
  'ETL-SDK-002': {
    title: 'The stored position can not be read',
    text: 'The position is not one that this source gives: a hand wrote it, or another version. Put an export back with `etl state import`, or begin anew with a full refresh.',
  },
  'ETL-SDK-003': {
    title: 'A position that can not be stored',
    text: 'A simple source gave a position that is null, or holds what JSON would not give back as it is: NaN, an infinity, undefined, a bigint, a date, an object of a class. The message names the part. Nothing of that page was written.\n\nLeave `position` out where a page has none, and give dates and 64-bit integers as text.',
  },
  'ETL-SDK-004': {
    title: 'A connector in a file failed',
    text: 'A method of the connector threw what is no EtlError, and its `classify` did not know it. The message names the file, the method and the error with its causes, --debug prints the stack. Nothing is tried again; what was committed stays.\n\nCorrect the connector. What a server or a person can mend is thrown as an EtlError, whose kind says what to do: `transient` is tried again.',
  },
  'ETL-SDK-005': {
    title: 'A simple source is not put together rightly',
    text: 'A column has a type that does not exist or lacks its parameters, the key names no column, or `read` gave something else than pages of rows. The message names stream and part.',
  },
};
