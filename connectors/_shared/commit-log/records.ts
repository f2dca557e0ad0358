import type { JsonObject, Load, LoadId, Owner, Position, Positions } from '#sdk';

/** A data file, as far as a reader of the table needs to know it. */
export interface ListedFile {
  readonly stream: string;
  /** Folder of the table, relative to the destination's root. */
  readonly table: string;
  readonly name: string;
}

/** A data file that a commit lists. */
export interface LogFile extends ListedFile {
  readonly rows: number;
  readonly bytes: number;
  readonly crc: number;
  /** Set while the file belongs to a shadow (`rebuild`) that no commit has swapped in. */
  readonly generation?: string;
}

/** A file of rejected rows, one JSON object a line. */
export interface QuarantineFile {
  readonly name: string;
  readonly load: LoadId;
  readonly rows: number;
}

/** Which target bore which id when this was written (rule 22). */
export interface Incarnation {
  readonly stream: string;
  readonly table: string;
  readonly id: string;
}

export interface CommitBody {
  readonly type: 'commit';
  readonly load: LoadId;
  readonly split: string;
  readonly epoch: number;
  readonly revision: number;
  readonly position: Position;
  readonly last: boolean;
  readonly rows: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly files: readonly LogFile[];
  readonly quarantine: readonly QuarantineFile[];
  readonly incarnations: readonly Incarnation[];
  /** Generation of each stream's shadow that this session writes. */
  readonly shadows: Readonly<Record<string, string>>;
  readonly rebuilt: readonly string[];
}

/** What a record says. The one that is there is the commit (rule 24). */
export type RecordBody =
  | { readonly type: 'claim'; readonly pipe: string; readonly owner: Owner }
  | { readonly type: 'begin'; readonly load: Load }
  | { readonly type: 'open'; readonly load: LoadId; readonly split: string; readonly epoch: number }
  | CommitBody
  | { readonly type: 'publish'; readonly load: LoadId; readonly streams: readonly string[]; readonly incarnations: readonly Incarnation[] }
  | { readonly type: 'reset'; readonly streams: readonly string[]; readonly to?: Positions }
  /** Administration takes a run epoch too, so that whoever runs meanwhile is fenced (rule 8). */
  | {
    readonly type: 'adopt'; readonly sourceIdentity?: string; readonly streams: readonly string[]; readonly incarnations: readonly Incarnation[];
    /** Data files of a log that is another's or lost: this log lists them from here on. */
    readonly files?: readonly ListedFile[];
  }
  | { readonly type: 'import'; readonly positions: Readonly<Record<string, Position | null>> };

export interface LogRecord {
  readonly v: 1;
  /** Known again by its writer, whatever answer got lost. */
  readonly nonce: string;
  readonly run: number;
  readonly at: string;
  readonly body: RecordBody;
  /** All that this record and those before it say: on every {@link CHECKPOINT_EVERY}th. */
  readonly folded?: JsonObject;
}

export const CHECKPOINT_EVERY = 256;
