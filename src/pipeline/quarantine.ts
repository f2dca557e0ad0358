import { EtlError } from '../errors/error.ts';
import type { Rejection } from '../sdk/contract.ts';
import type { Normalizer } from '../normalize/normalizer.ts';

export interface QuarantinePolicy {
  readonly badRows: 'quarantine' | 'fail';
  readonly maxBadRatio?: number;
  readonly maxBadRows?: number;
}

/** Rows of a stream so far, over all its splits of this run: what a share of bad rows is measured by (rule 31). */
export interface StreamTally {
  rows: number;
  rejected: number;
}

/** From here on a percentage means something; before, only the end of a split is judged. */
const JUDGED_FROM_ROWS = 10_000;

/** Gathers the rows that are not delivered, and ends the run when they are too many. One for each attempt at a split. */
export interface Quarantine {
  /** All rejections since the last take, `refused` last, to go into the next commit. Throws `data` when the stream's policy is exceeded. */
  take(normalize: Normalizer, refused: readonly Rejection[], last: boolean): readonly Rejection[];
  /** That commit stands: its rows count from now on. */
  settle(): void;
}

export function createQuarantine(policyOf: (stream: string) => QuarantinePolicy, tallies: ReadonlyMap<string, StreamTally>): Quarantine {
  const settledRows = new Map<string, number>();
  let pending = new Map<string, StreamTally>();
  return {
    take(normalize, refused, last) {
      const rejections = [...normalize.takeRejections(), ...refused];
      pending = new Map([...normalize.counts].map(([stream, counts]) => [stream, { rows: counts.rows - (settledRows.get(stream) ?? 0), rejected: 0 }]));
      for (const rejection of rejections) {
        const of = pending.get(rejection.stream) ?? { rows: 0, rejected: 0 };
        of.rejected++;
        pending.set(rejection.stream, of);
        refuseToGoOn(rejection, policyOf(rejection.stream));
      }
      for (const [stream, of] of pending) judgeShare(stream, policyOf(stream), { tally: sum(tallies.get(stream), of), rejections, last });
      return rejections;
    },
    settle() {
      for (const [stream, of] of pending) {
        const tally = tallies.get(stream);
        if (tally) Object.assign(tally, sum(tally, of));
        settledRows.set(stream, (settledRows.get(stream) ?? 0) + of.rows);
      }
      pending = new Map();
    },
  };
}

function sum(tally: StreamTally | undefined, more: StreamTally): StreamTally {
  return { rows: (tally?.rows ?? 0) + more.rows, rejected: (tally?.rejected ?? 0) + more.rejected };
}

function refuseToGoOn(rejection: Rejection, policy: QuarantinePolicy): void {
  if (policy.badRows === 'quarantine') return;
  throw new EtlError({
    kind: 'data', code: 'ETL-RUN-010',
    message: `${rejection.stream}: a row is refused (${rejection.code}: ${rejection.reason})${rejection.key ? `, key ${JSON.stringify(rejection.key)}` : ''}.`,
    hint: 'Mend the row at the source, or set errors.bad_rows: quarantine to go on without it.',
  });
}

function judgeShare(stream: string, policy: QuarantinePolicy, { tally, rejections, last }: { readonly tally: StreamTally; readonly rejections: readonly Rejection[]; readonly last: boolean }): void {
  const tooMany = policy.maxBadRows !== undefined && tally.rejected > policy.maxBadRows;
  const judged = last || tally.rows >= JUDGED_FROM_ROWS;
  const tooLarge = judged && policy.maxBadRatio !== undefined && tally.rejected > policy.maxBadRatio * tally.rows;
  if (!tooMany && !tooLarge) return;
  throw new EtlError({
    kind: 'data', code: 'ETL-RUN-011',
    message: `${stream}: ${tally.rejected} of ${tally.rows} rows are refused, more than errors.max_bad allows: ${reasons(rejections.filter((rejection) => rejection.stream === stream))}.`,
    hint: 'Nothing of this commit was written. `etl preview` shows rows; raise errors.max_bad only when the loss is meant.',
  });
}

/** What most of the rows of a commit are refused for, with how many there are: `12 × ETL-SQL-001: the row breaks the constraint paid, 3 × …`. */
function reasons(rejections: readonly Rejection[]): string {
  const counts = new Map<string, number>();
  for (const { code, reason } of rejections) counts.set(`${code}: ${reason}`, (counts.get(`${code}: ${reason}`) ?? 0) + 1);
  const [first, second, ...others] = [...counts].sort(([, a], [, b]) => b - a);
  const told = [first, second].flatMap((each) => (each ? [`${each[1]} × ${each[0]}`] : []));
  return [...told, ...(others.length === 0 ? [] : ['and others'])].join(', ');
}
