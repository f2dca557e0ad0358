import type { ErrorTexts } from '../errors/error.ts';

export const batchErrors: ErrorTexts = {
  'ETL-BAT-001': {
    title: 'A value does not fit its column',
    text: 'A source gave a value that is outside the range or the form of the column\'s type. The message names stream, row and column.\n\nCast the column to a wider type or to text, or correct the value at the source.',
  },
  'ETL-BAT-002': {
    title: 'A text is not a value of its type',
    text: 'A text could not be read as the type that was asked of it, such as a date with a month 13 or a decimal with more digits than the type has.',
  },
  'ETL-BAT-003': {
    title: 'Batches of different shapes were put together',
    text: 'Batches can be joined only when they have the same columns. This is a bug of a connector.',
  },
  'ETL-MEM-001': {
    title: 'The column memory is full',
    text: 'All batches of a process lie in one memory of 1 GiB. One value is too large for it (some 200 MiB go everywhere), or too many large ones are moved at once. Lower limits.concurrency to 1, drop the column, or leave the row out with a `query`.',
  },
  'ETL-MEM-003': { title: 'The column memory could not be reserved', text: 'It takes a range of addresses, far more than is ever used, and a limit of virtual memory (`ulimit -v`) forbids that. Lift it; limits of real memory are no hindrance.' },
  'ETL-MEM-002': { title: 'A batch was released twice', text: 'This is a bug: please report it.' },
};
