import { Arena, PADDING, viewBytes, viewInt32, type Vector } from '#batch';
import { copyState, copyStatus, kernels, type Kernels } from '#kernels';
import { EtlError } from '#sdk';
import type { CopySocket } from './socket.ts';
import { Columns, type ColumnPlan } from './columns.ts';
import { textsOf } from './rejected-row.ts';

const READ_BYTES = 256 * 1024;
/** The window, but while a row is larger. */
const WINDOW_BYTES = 2 * READ_BYTES - PADDING;

/** Rows that the reader gives: vectors in the order of the COPY's columns, with their memory. */
export interface CopyRows {
  readonly length: number;
  readonly vectors: readonly Vector[];
  readonly arena: Arena;
  readonly rejected: readonly RejectedRow[];
}
export interface RejectedRow {
  /** Index of the column. */
  readonly column: number;
  /** One of `copyReasons`. */
  readonly reason: number;
  /** Its values' texts, in the order of the columns. */
  readonly cells: readonly (string | null)[];
}

export interface CopyOptions {
  readonly sql: string;
  readonly plans: readonly ColumnPlan[];
  readonly maxRowBytes: number;
}

function damaged(message: string): EtlError {
  return new EtlError({ kind: 'transient', code: 'ETL-PG-006', message });
}

/** Reads one COPY … TO STDOUT (FORMAT binary) into columns. Pull: while nobody asks, the socket stands still. */
export class CopyReader {
  private readonly wire: CopySocket;
  private readonly options: CopyOptions;
  private readonly columns: Columns;
  private readonly kernel: Kernels = kernels();
  private readonly own = new Arena();
  private readonly state: Int32Array;
  private window: { pointer: number; size: number };
  private windowArena = new Arena();
  private retired: Arena[] = [];
  private start = 0;
  private end = 0;
  private rejected: RejectedRow[] = [];
  private outcome: 'reading' | 'copied' | 'ended' = 'reading';
  private serverError: Error | undefined;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;
  private wanted = false;

  constructor(wire: CopySocket, options: CopyOptions) {
    this.wire = wire;
    this.options = options;
    this.columns = new Columns(options.plans);
    this.state = viewInt32(this.own.allocate(4 * copyState.words), copyState.words).fill(0);
    this.window = { pointer: this.windowArena.allocate(WINDOW_BYTES), size: WINDOW_BYTES };
    this.start = this.end = this.window.pointer;
    wire.attach({ room: () => this.room(), received: (at, length) => this.received(at, length), closed: (error) => this.closed(error) });
    wire.write(queryMessage(options.sql));
  }

  /** The next rows; undefined when the COPY has ended as a whole. */
  async next(): Promise<CopyRows | undefined> {
    for (;;) {
      this.columns.begin();
      const ready = this.failure === undefined && this.parse();
      if (this.failure) throw this.failure;
      if (ready || this.outcome === 'ended') return this.take();
      this.wanted = true;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        this.wire.resume();
      });
      this.wanted = false;
    }
  }

  /** Frees all that was not given away. A COPY that has not ended takes its connection with it. */
  close(): void {
    if (this.outcome === 'ended' && !this.failure) this.wire.detach();
    else this.wire.destroy();
    this.columns.release();
    this.own.release();
    // Node still holds the place of its next read, which may come after this COPY: the window goes with the connection
    const arenas = [this.windowArena, ...this.retired];
    void this.wire.closed.then(() => arenas.forEach((arena) => arena.release()));
    this.failure ??= damaged('The COPY was closed.');
  }

  private take(): CopyRows | undefined {
    const rows = this.state[copyState.rows] ?? 0;
    if (rows === 0 && this.rejected.length === 0) {
      if (this.serverError) throw this.serverError;
      return undefined;
    }
    const { vectors, arena } = this.columns.take(rows);
    this.state[copyState.rows] = 0;
    const { rejected } = this;
    this.rejected = [];
    return { length: rows, vectors, arena, rejected };
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The place after what is not read yet, moved to the window's front first. */
  private room(): Uint8Array {
    const { pointer, size } = this.window;
    const length = this.end - this.start;
    if (this.start !== pointer) {
      viewBytes(pointer, size).copyWithin(0, this.start - pointer, this.end - pointer);
      this.start = pointer;
      this.end = pointer + length;
    }
    if (size - length < READ_BYTES / 4) this.widen(length + READ_BYTES);
    return viewBytes(this.end, Math.min(READ_BYTES, this.window.pointer + this.window.size - this.end));
  }

  private widen(needed: number): void {
    let size = this.window.size + PADDING;
    while (size - PADDING < needed) size *= 2;
    this.move(size - PADDING);
  }

  /** What is not read yet, into a window of this size. */
  private move(size: number): void {
    const length = this.end - this.start;
    const arena = new Arena();
    const pointer = arena.allocate(size);
    viewBytes(pointer, length).set(viewBytes(this.start, length));
    // Node may still write its next read into the old one: it lives until a read has come to the new one
    this.retired.push(this.windowArena);
    this.windowArena = arena;
    this.window = { pointer, size };
    this.start = pointer;
    this.end = pointer + length;
  }

  private received(at: Uint8Array, length: number): boolean {
    if (at.byteOffset !== this.end) {
      const room = this.room();
      if (room.length < length) this.widen(this.end - this.start + length);
      viewBytes(this.end, length).set(at.subarray(0, length));
    } else for (const arena of this.retired.splice(0)) arena.release();
    this.end += length;
    if (!this.wanted) return false;
    const ready = this.parse();
    if (!ready && this.outcome !== 'ended' && !this.failure) return true;
    this.wanted = false;
    this.wake?.();
    return false;
  }

  private closed(error: Error | undefined): void {
    if (this.outcome === 'ended') return;
    this.failure ??= new EtlError({ kind: 'transient', code: 'ETL-PG-001', message: `The connection broke in the middle of a COPY${error ? `: ${error.message}` : '.'}`, cause: error });
    this.wake?.();
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads on in what came. True: a batch is ready. */
  private parse(): boolean {
    try {
      for (;;) {
        const status = this.kernel.copyRows(this.start, this.end, this.columns.descriptors, this.columns.count, this.state.byteOffset, this.columns.maxRows);
        this.start = this.state[copyState.consumed] ?? this.start;
        const step = this.step(status);
        if (step !== 'again') return step === 'ready';
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : damaged(String(error));
      return false;
    }
  }

  private step(status: number): 'again' | 'more' | 'ready' {
    const rows = this.state[copyState.rows] ?? 0;
    switch (status) {
      case copyStatus.more: return this.waitForRest();
      case copyStatus.full: return 'ready';
      case copyStatus.other: return this.message();
      case copyStatus.need: {
        const [column = 0, needed = 0] = [this.state[copyState.needColumn], this.state[copyState.needBytes]];
        return this.columns.grow(column, this.state[copyState.needChild] ?? 0, needed, rows) ? 'again' : 'ready';
      }
      case copyStatus.rejected:
        this.rejected.push({
          column: this.state[copyState.reasonColumn] ?? 0, reason: this.state[copyState.reason] ?? 0,
          cells: textsOf(this.options.plans, this.columns.peek(rows + 1), rows, this.state[copyState.rejected] ?? 0),
        });
        return this.rejected.length >= 1000 ? 'ready' : 'again';
      default: throw damaged(`The COPY stream is damaged in the row after ${rows} rows of its batch.`);
    }
  }

  private waitForRest(): 'more' {
    const have = this.end - this.start;
    const length = have >= 5 ? messageLength(viewBytes(this.start, 5)) : have;
    if (length > this.options.maxRowBytes) {
      throw new EtlError({
        kind: 'data', code: 'ETL-PG-007', message: `A row of ${length} bytes is larger than max_row_bytes (${this.options.maxRowBytes}).`,
        hint: 'Raise max_row_bytes of the connection (268435456 at most), drop the large column, or leave the row out with a query.',
      });
    }
    if (length > this.window.size - READ_BYTES / 4) this.widen(length + READ_BYTES);
    else if (this.window.size > WINDOW_BYTES && length < READ_BYTES) this.move(WINDOW_BYTES); // the huge row is past
    return 'more';
  }

  /** A message that is not CopyData: the beginning, the end, an error or a notice. */
  private message(): 'again' | 'more' | 'ready' {
    const have = this.end - this.start;
    if (have < 5) return 'more';
    const length = messageLength(viewBytes(this.start, 5));
    if (length < 5 || length > this.options.maxRowBytes) throw damaged('A message of the server has no possible length.');
    if (have < length) return this.waitForRest();
    const type = viewBytes(this.start, 1)[0];
    const body = Buffer.from(viewBytes(this.start + 5, length - 5));
    this.start += length;
    switch (type) {
      case 0x45: this.serverError = errorOf(body); break; // E
      case 0x63: this.outcome = 'copied'; break; // c
      case 0x5a: // Z
        if (!this.serverError && this.outcome !== 'copied') throw damaged('The COPY ended without its end.');
        this.outcome = 'ended';
        return 'ready';
      case 0x48: case 0x43: case 0x4e: case 0x53: break; // H C N S
      default: throw damaged(`A message of type ${type} does not belong into a COPY.`);
    }
    return 'again';
  }
}

function messageLength(head: Uint8Array): number {
  return ((head[1] ?? 0) * 2 ** 24) + ((head[2] ?? 0) << 16) + ((head[3] ?? 0) << 8) + (head[4] ?? 0) + 1;
}

function queryMessage(sql: string): Uint8Array {
  const text = Buffer.from(sql, 'utf8');
  const message = Buffer.alloc(text.length + 6);
  message[0] = 0x51;
  message.writeInt32BE(text.length + 5, 1);
  text.copy(message, 5);
  return message;
}

/** An ErrorResponse, with the properties that `pg` gives to its own. */
function errorOf(body: Buffer): Error {
  const fields: Record<string, string> = {};
  const names: Record<string, string> = { S: 'severity', C: 'code', M: 'message', D: 'detail', H: 'hint' };
  for (const part of body.toString('utf8').split('\0')) {
    const name = names[part[0] ?? ''];
    if (name) fields[name] = part.slice(1);
  }
  return Object.assign(new Error(fields['message'] ?? 'unknown'), fields);
}
