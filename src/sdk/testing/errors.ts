import type { ErrorTexts } from '../../errors/error.ts';

export const testingErrors: ErrorTexts = {
  'ETL-TST-001': { title: 'The scripted destination refused a call', text: 'A call came from an older run, load or session than the current one.' },
  'ETL-TST-002': { title: 'The scripted slot is gone', text: 'A position was acknowledged before it was committed, or its slot was removed while a state named it.' },
  'ETL-TST-003': { title: 'The target of the scripted destination is not the one that state names', text: 'It was dropped, created anew, or belongs to another source.' },
  'ETL-TST-004': { title: 'A call to the scripted destination is not legal now', text: 'For example publish before the last part is complete.' },
  'ETL-TST-005': { title: 'An unavailable value has no row before it', text: 'The policy of the target says that this is an error.' },
  'ETL-TST-010': { title: 'A scripted line cannot be read', text: 'The script plants such lines, to be found in quarantine.' },
  'ETL-TST-020-UNKNOWN': { title: 'No answer came', text: 'The scripted network lost a call or its answer; the call may still arrive.' },
};
