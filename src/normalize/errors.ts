import type { ErrorTexts } from '../errors/error.ts';

export const normalizeErrors: ErrorTexts = {
  'ETL-NRM-001': {
    title: 'The schema contract refuses a new column',
    text: 'The source has a column that the contract does not know, and `schema: { columns: freeze }` is set.\n\nGive the column a rule under `columns:`, or let the contract evolve.',
  },
  'ETL-NRM-002': {
    title: 'The schema contract refuses a change of type',
    text: 'A column has another type than before, and the change is not a widening, or the contract is frozen.\n\nCast the column under `columns:`, or run a full refresh.',
  },
  'ETL-NRM-003': {
    title: 'A column\'s rules can\'t be kept',
    text: 'The rules of a column contradict each other or the stream: a key column is dropped, two columns get one name, or a value is to be hashed and masked at once. The message names the column.',
  },
  'ETL-NRM-004': { title: 'A message of a stream that is not selected', text: 'The source sent rows of a stream that the job did not ask for. This is a bug of the connector.' },
  'ETL-NRM-005': {
    title: 'A stream without columns',
    text: 'The table has no column, or the job drops each of them, so its rows would be empty, which files and tables can not hold. The other streams go on. Leave the stream out with `skip`, or keep a column.',
  },
  'ETL-NRM-010': {
    title: 'A value could not be cast',
    text: 'The value is not one of the type that the column is cast to. Nothing is rounded or cut: the row is rejected. The reason names the column.',
  },
  'ETL-NRM-011': {
    title: 'Bad text',
    text: 'A text holds a NUL, is not valid UTF-8, or has half of a surrogate pair. What happens to it is decided by `bad_text`: strip, replace, fail, quarantine or keep.',
  },
  'ETL-NRM-012': { title: 'A row failed a check', text: 'A check of the job did not hold for the row. The reason names check and column.' },
  'ETL-NRM-013': {
    title: 'A value has no normal form to hash',
    text: 'The column is hashed with a normaliser, and the value has no such form: a phone number without its country\'s code, for instance. The row is rejected, since its hash would match nothing.',
  },
  'ETL-NRM-014': { title: 'A value in a column that the contract discards', text: 'The contract says `discard_row`: a row that has a value in a new or changed column is rejected.' },
  'ETL-NRM-020': {
    title: 'A masked column serves as key or cursor',
    text: 'The cursor\'s value lies in the state at the destination, so a masked column can\'t be the cursor. A key that is masked, redacted or cut no longer tells rows apart: hash it.',
  },
};
