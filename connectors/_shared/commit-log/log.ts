import { EtlError, failpoint } from '#sdk';
import { Turnstile } from '../turnstile.ts';
import { unknownOutcome, unreadable } from './errors.ts';
import { applyRecord, emptyFold, foldFromJson, foldToJson, type Fold } from './fold.ts';
import type { ObjectLog } from './port.ts';
import { CHECKPOINT_EVERY, type LogRecord, type RecordBody } from './records.ts';

/** What a writer wants to say, decided anew against the fold before each attempt (rule 24). */
export interface Intent {
  readonly nonce: string;
  /** `done`: what it wants is in the fold already. An error: forbidden, nothing is written. */
  decide(fold: Fold): 'done' | EtlError | { readonly run: number; readonly body: RecordBody };
}

/** The numbered records of one pipe, and what they say. Shared by all sessions of a process. */
export class CommitLog {
  fold: Fold = emptyFold();
  private last = 0;
  /** Two attempts at one number within a process would only cost a file each. */
  private readonly turnstile = new Turnstile();
  private readonly port: ObjectLog;
  private readonly now: () => number;

  constructor(port: ObjectLog, now: () => number) {
    this.port = port;
    this.now = now;
  }

  /** The number up to which the fold reaches. */
  get number(): number {
    return this.last;
  }

  /** Reads on to the first absent number. */
  readOn(): Promise<void> {
    return this.turnstile.run(async () => void (await this.follow()));
  }

  /** `found`: it was there already, durable now. Throws Fenced, or an unknown outcome. */
  append(intent: Intent): Promise<'written' | 'found'> {
    return this.turnstile.run(() => this.write(intent));
  }

  private async write(intent: Intent): Promise<'written' | 'found'> {
    for (;;) {
      const mine = await this.follow(intent.nonce);
      const verdict = mine ? 'done' : intent.decide(this.fold);
      if (verdict instanceof EtlError) throw verdict;
      if (verdict === 'done') {
        await this.port.harden(this.last);
        return 'found';
      }
      const number = this.last + 1;
      const record: LogRecord = { v: 1, nonce: intent.nonce, run: verdict.run, at: new Date(this.now()).toISOString(), body: verdict.body };
      await failpoint('log.record.decided');
      const put = await this.port.putIfAbsent(number, this.encode(number, record));
      if (put.outcome === 'unknown') throw unknownOutcome(put.cause);
      if (put.outcome === 'exists') continue; // somebody else's number: read on, decide again
      applyRecord(this.fold, record);
      this.last = number;
      return 'written';
    }
  }

  private encode(number: number, record: LogRecord): Uint8Array {
    if (number % CHECKPOINT_EVERY !== 0) return Buffer.from(JSON.stringify(record));
    const folded = foldFromJson(foldToJson(this.fold));
    applyRecord(folded, record);
    return Buffer.from(JSON.stringify({ ...record, folded: foldToJson(folded) }));
  }

  /** True when it met the record of this nonce on the way. */
  private async follow(nonce?: string): Promise<boolean> {
    if (this.last === 0) await this.jump();
    for (let met = false; ; ) {
      const record = await this.read(this.last + 1);
      if (!record) return met;
      applyRecord(this.fold, record);
      this.last++;
      met ||= record.nonce === nonce;
    }
  }

  /** To the newest folded state below the hint, so that a long log is not read from its start. */
  private async jump(): Promise<void> {
    const hint = await this.port.hint();
    const number = hint - (hint % CHECKPOINT_EVERY);
    const record = number > 0 ? await this.read(number) : undefined;
    if (!record?.folded) return;
    this.fold = foldFromJson(record.folded);
    this.last = number;
  }

  private async read(number: number): Promise<LogRecord | undefined> {
    const bytes = await this.port.get(number);
    if (!bytes) return undefined;
    let record: LogRecord;
    try {
      record = JSON.parse(Buffer.from(bytes).toString('utf8')) as LogRecord;
    } catch (error) {
      throw unreadable(number, error);
    }
    if (record.v !== 1) {
      throw new EtlError({
        kind: 'unsupported', code: 'ETL-LOG-006', message: `Record ${number} of the commit log has format ${String(record.v)}; this version reads 1.`,
        hint: 'Use the version that wrote it, or a newer one.',
      });
    }
    return record;
  }
}
