import { Arena, halvings, PADDING, viewBytes, viewInt32, widthOf, type LogicalType, type Vector } from '#batch';
import { copyDescriptor, copyKinds, copyNeed, type CopyKind } from '#kernels';

/** Rows of a batch: with eight bytes a value and the padding a slab is 128 KB. */
const MAX_ROWS = 16_384;
const MAX_BATCH_BYTES = 6 * 1024 * 1024;
const FIRST_SLAB = 65_536;
const FIRST_ITEMS = 4096;
/** Of a text column at the start of a batch: a single huge value does not make the slabs of all later batches huge. */
const LARGEST_FIRST_SLAB = 2 * 1024 * 1024;

/** How one column of a COPY is decoded. */
export interface ColumnPlan {
  readonly type: LogicalType;
  readonly kind: CopyKind;
  readonly element?: ColumnPlan;
}

function isVarying(kind: CopyKind): boolean {
  return kind >= copyKinds.bytes;
}

interface Slab { pointer: number; capacity: number }

function slab(arena: Arena, size: number): Slab {
  return { pointer: arena.allocate(size), capacity: size };
}

/** One column's slabs in the batch that is being filled, and the sizes that the next batch begins with. */
class Column {
  readonly plan: ColumnPlan;
  private readonly words: Int32Array;
  private readonly child: Column | undefined;
  private readonly isElement: boolean;
  private readonly largestFirst: number;
  private dataBytes: number;
  private itemCount: number;
  private data: Slab = { pointer: 0, capacity: 0 };
  private validity = 0;
  private offsets = 0;

  /** `child` is the column of a list's elements. Sizes are halved so often as there are many columns. */
  constructor(plan: ColumnPlan, words: Int32Array, { halved, child, isElement = false }: { halved: number; child?: Column | undefined; isElement?: boolean }) {
    this.plan = plan;
    this.words = words;
    this.child = child;
    this.isElement = isElement;
    this.itemCount = ((isElement ? FIRST_ITEMS : MAX_ROWS) >> halved) - PADDING;
    this.dataBytes = (FIRST_SLAB >> halved) - PADDING;
    this.largestFirst = (LARGEST_FIRST_SLAB >> halved) - PADDING;
    words[copyDescriptor.kind] = plan.kind;
    if (plan.type.kind === 'decimal') {
      words[copyDescriptor.scale] = plan.type.scale;
      const limit = 10n ** BigInt(plan.type.precision);
      for (let word = 0; word < 4; word++) words[copyDescriptor.limit + word] = Number(BigInt.asIntN(32, limit >> BigInt(32 * word)));
    }
    if (child) words[copyDescriptor.child] = child.words.byteOffset;
  }

  /** Slabs for a new batch. */
  begin(arena: Arena): void {
    this.allocateItems(arena, this.itemCount);
    if (isVarying(this.plan.kind) && this.plan.kind !== copyKinds.list) this.setData(slab(arena, this.dataBytes));
    this.words[copyDescriptor.nulls] = 0;
    this.child?.begin(arena);
  }

  /** What of the column the batch holds in bytes: text and elements; fixed values are bounded by the rows. */
  variableBytes(rows: number): number {
    if (!isVarying(this.plan.kind)) return this.isElement ? rows * widthOf(this.plan.type) : 0;
    const end = this.end(rows);
    return this.child ? this.child.variableBytes(end) : end;
  }

  /** Makes what the kernel asked for; `rows` are kept. */
  grow(arena: Arena, what: number, needed: number, rows: number): void {
    if (what !== copyNeed.data && this.child) {
      const items = this.end(rows);
      if (what === copyNeed.childItems) this.child.growItems(arena, needed, items);
      else this.child.growData(arena, needed, items);
    } else {
      this.growData(arena, needed, rows);
    }
  }

  vector(rows: number): Vector {
    const { type } = this.plan;
    const hasNulls = this.isElement || (this.words[copyDescriptor.nulls] ?? 0) > 0;
    const offsets = this.offsets === 0 ? undefined : viewInt32(this.offsets, rows + 1);
    const bytes = offsets ? (this.child ? 0 : offsets[rows] ?? 0) : rows * widthOf(type);
    return {
      type, length: rows, offsets, data: viewBytes(this.data.pointer, bytes),
      validity: hasNulls ? viewBytes(this.validity, rows) : undefined,
      children: this.child ? [this.child.vector(this.end(rows))] : [],
    };
  }

  private end(rows: number): number {
    return viewInt32(this.offsets, rows + 1)[rows] ?? 0;
  }

  private allocateItems(arena: Arena, items: number): void {
    this.itemCount = items;
    this.validity = arena.allocate(items);
    this.words[copyDescriptor.validity] = this.validity;
    this.words[copyDescriptor.items] = items;
    if (isVarying(this.plan.kind)) {
      this.offsets = arena.allocate(4 * (items + 1));
      viewInt32(this.offsets, 1)[0] = 0;
      this.words[copyDescriptor.offsets] = this.offsets;
    } else {
      this.setData(slab(arena, items * widthOf(this.plan.type)));
    }
  }

  private growItems(arena: Arena, needed: number, used: number): void {
    const before = { data: this.data, validity: this.validity, offsets: this.offsets };
    this.allocateItems(arena, sizeFor(needed, this.itemCount));
    viewBytes(this.validity, used).set(viewBytes(before.validity, used));
    if (before.offsets) viewInt32(this.offsets, used + 1).set(viewInt32(before.offsets, used + 1));
    else viewBytes(this.data.pointer, used * widthOf(this.plan.type)).set(viewBytes(before.data.pointer, used * widthOf(this.plan.type)));
  }

  private growData(arena: Arena, needed: number, used: number): void {
    const before = this.data;
    const bytes = this.end(used);
    this.dataBytes = Math.min(sizeFor(needed, before.capacity), Math.max(needed, MAX_BATCH_BYTES));
    this.setData(slab(arena, this.dataBytes));
    viewBytes(this.data.pointer, bytes).set(viewBytes(before.pointer, bytes));
    this.dataBytes = Math.min(this.dataBytes, this.largestFirst);
  }

  private setData(next: Slab): void {
    this.data = next;
    this.words[copyDescriptor.data] = next.pointer;
    this.words[copyDescriptor.capacity] = next.capacity;
  }
}

/** The next power of two that holds it, less the padding: the arena rounds up to that anyway. */
function sizeFor(needed: number, current: number): number {
  let size = current + PADDING;
  while (size - PADDING < needed || size <= current + PADDING) size *= 2;
  return size - PADDING;
}

/** The columns that one COPY is read into, batch after batch. */
export class Columns {
  readonly count: number;
  /** Rows of a batch at most. */
  readonly maxRows: number;
  /** Address of the descriptors. */
  readonly descriptors: number;
  private readonly columns: readonly Column[];
  private readonly own = new Arena();
  private arena: Arena | undefined;

  constructor(plans: readonly ColumnPlan[]) {
    this.count = plans.length;
    const halved = halvings(plans.length);
    this.maxRows = (MAX_ROWS >> halved) - PADDING;
    const words = copyDescriptor.words;
    this.descriptors = this.own.allocate(4 * words * Math.max(plans.length, 1));
    this.columns = plans.map((plan, index) => {
      const child = plan.element && new Column(plan.element, viewInt32(this.own.allocate(4 * words), words).fill(0), { halved, isElement: true });
      return new Column(plan, viewInt32(this.descriptors + 4 * words * index, words).fill(0), { halved, child });
    });
  }

  /** Slabs for a new batch, if there are none. */
  begin(): void {
    if (this.arena) return;
    const arena = new Arena();
    this.arena = arena;
    for (const column of this.columns) column.begin(arena);
  }

  /** Room for the row that the kernel could not store. False: give the batch away first. */
  grow(column: number, what: number, needed: number, rows: number): boolean {
    const used = this.columns.reduce((sum, each) => sum + each.variableBytes(rows), 0);
    if (rows > 0 && used + needed / 2 > MAX_BATCH_BYTES) return false;
    if (this.arena) this.columns[column]?.grow(this.arena, what, needed, rows);
    return true;
  }

  /** The vectors so far, and the memory that they lie in, which is the caller's now. */
  take(rows: number): { readonly vectors: readonly Vector[]; readonly arena: Arena } {
    const arena = this.arena ?? new Arena();
    const vectors = this.columns.map((column) => column.vector(rows));
    this.arena = undefined;
    return { vectors, arena };
  }

  /** The columns as they stand, row `rows` included: for looking at a rejected row. */
  peek(rows: number): readonly Vector[] {
    return this.columns.map((column) => column.vector(rows));
  }

  release(): void {
    this.arena?.release();
    this.own.release();
  }
}
