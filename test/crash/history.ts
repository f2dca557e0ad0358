import { createHash } from 'node:crypto';

/** Rows are parted between the writers by their ids, so that each writer alone knows what its rows were after each of its transactions. */
export const WRITERS = [0, 1] as const;
export type Writer = (typeof WRITERS)[number];
export const writerOf = (id: number): Writer => (id % 2 === 0 ? 0 : 1);
/** The row that each transaction of a writer raises by one: by its version a table tells which transaction it holds. */
export const markerOf = (writer: Writer): number => 2 - writer;

/** A row as it was committed; `at` is its cursor in microseconds. */
export interface RowVersion { readonly id: number; readonly version: number; readonly at: number }
export interface Row extends RowVersion { readonly hash: string | null; readonly payload: string | null }
/** `version` 0: deleted by the writer's `n`-th transaction. */
interface Change extends RowVersion { readonly n: number }

/** Each row carries its proof: hash and payload are functions of id and version, here and in the database apart from each other. */
export const hashSql = (id: string, version: string): string => `md5(${id} || ':' || ${version})`;
export const payloadSql = (id: string, version: string): string =>
  `case when (${id} + ${version}) % 17 = 0 then null when (${id} + ${version}) % 23 = 0 then '' else repeat('ü', ((${id} * 7 + ${version}) % 20)::int) || '|' || ${id} end`;

function textsOf(id: number, version: number): { hash: string; payload: string | null } {
  const sum = id + version;
  const payload = sum % 17 === 0 ? null : sum % 23 === 0 ? '' : `${'ü'.repeat((id * 7 + version) % 20)}|${id}`;
  return { hash: createHash('md5').update(`${id}:${version}`).digest('hex'), payload };
}

/** All that was ever committed to one table of the source, by the transactions of its two writers. */
export class History {
  private readonly changes = new Map<number, Change[]>();
  private readonly texts = new Map<number, ReturnType<typeof textsOf>>();
  /** Number of the last committed transaction of each writer; 0 made the table. */
  readonly committed: [number, number] = [0, 0];

  add(writer: Writer, n: number, rows: readonly RowVersion[]): void {
    this.committed[writer] = n;
    for (const row of rows) {
      const known = this.changes.get(row.id);
      if (known) known.push({ ...row, n });
      else this.changes.set(row.id, [{ ...row, n }]);
    }
  }

  /** The rows that stand in the table now. */
  current(): RowVersion[] {
    return WRITERS.flatMap((writer) => [...this.after(writer, this.committed[writer]).values()]);
  }

  /** A writer's rows as they stood after its `n`-th transaction. */
  after(writer: Writer, n: number): Map<number, RowVersion> {
    const rows = new Map<number, RowVersion>();
    for (const [id, changes] of this.changes) {
      if (writerOf(id) !== writer) continue;
      const last = changes.findLast((change) => change.n <= n);
      if (last && last.version > 0) rows.set(id, last);
    }
    return rows;
  }

  /** Was exactly this row once committed? */
  knows(row: Row): boolean {
    const change = this.changes.get(row.id)?.findLast(({ version }) => version === row.version);
    if (!change || change.at !== row.at || row.version < 1) return false;
    const key = row.id * 65_536 + row.version;
    const texts = this.texts.get(key) ?? textsOf(row.id, row.version);
    this.texts.set(key, texts);
    return texts.hash === row.hash && texts.payload === row.payload;
  }
}
