import { type Batch, type LogicalType, type Vector } from '#batch';
import { kernels } from '#kernels';
import type { FormatOptions, FormatReject } from '../contract.ts';

/** What a kernel looks for: pqFind's kinds. */
const Find = { ABSENT: 0, INFINITE4: 1, INFINITE8: 2, TIME: 3, DECIMAL8: 4, DECIMAL16: 5 } as const;

interface Test {
  readonly find: number;
  readonly reason: string;
  readonly limit?: bigint;
}
const NO_NULL: Test = { find: Find.ABSENT, reason: 'a null in a column that has none' };

/** Rows with a value that the file has no form for. */
export function check(batch: Batch, options: FormatOptions): FormatReject[] {
  return batch.schema.fields.flatMap((field, i) => {
    const vector = batch.columns[i];
    if (!vector) return [];
    const nulls = field.nullable || !vector.validity ? [] : find(vector, NO_NULL);
    return [...nulls, ...faults(vector, options)].map(({ row, reason }) => ({ row, column: field.name, code: 'ETL-FMT-001', reason }));
  });
}

interface Fault {
  readonly row: number;
  readonly reason: string;
}

function faults(vector: Vector, options: FormatOptions): Fault[] {
  const { type, children, offsets } = vector;
  if (type.kind === 'struct') return children.flatMap((child) => faults(child, options));
  if (type.kind === 'list') {
    return children.flatMap((child) => faults(child, options)).map(({ row, reason }) => ({ row: listOf(offsets, row), reason: `${reason} in a list` }));
  }
  const test = testOf(type, options);
  return test ? find(vector, test) : [];
}

/** The list that element `i` lies in: the last that begins at or before it and is not empty. */
function listOf(offsets: Int32Array | undefined, i: number): number {
  let [low, high] = [0, (offsets?.length ?? 1) - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((offsets?.[middle] ?? 0) <= i) low = middle;
    else high = middle;
  }
  return low;
}

function testOf(type: LogicalType, options: FormatOptions): Test | undefined {
  switch (type.kind) {
    case 'date': return options.infinite === 'reject' ? { find: Find.INFINITE4, reason: 'an infinite date' } : undefined;
    case 'timestamp': case 'timestamptz': return options.infinite === 'reject' ? { find: Find.INFINITE8, reason: 'an infinite timestamp' } : undefined;
    case 'time': return { find: Find.TIME, reason: 'the time 24:00' };
    case 'decimal': return { find: type.precision <= 18 ? Find.DECIMAL8 : Find.DECIMAL16, limit: 10n ** BigInt(type.precision), reason: `more than ${type.precision} digits` };
    default: return undefined;
  }
}

function find(vector: Vector, test: Test): Fault[] {
  const { data, validity, length } = vector;
  const limit = test.limit ?? 0n;
  const found: Fault[] = [];
  for (let row = 0; ; row++) {
    row = kernels().pqFind(test.find, data.byteOffset, validity?.byteOffset ?? 0, row, length, BigInt.asIntN(64, limit), limit >> 64n);
    if (row === length) return found;
    found.push({ row, reason: test.reason });
  }
}
