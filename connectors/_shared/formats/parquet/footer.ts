import type { Field, Schema } from '#batch';
import type { FormatOptions } from '../contract.ts';
import type { PageRecord } from './column.ts';
import type { Leaf, LeafType, ParquetSchema, SchemaElement } from './schema.ts';
import type { Bounds } from './statistics.ts';
import { T, ThriftWriter } from './thrift.ts';

const CODECS = { none: 0, snappy: 1, zstd: 6 } as const;
const CREATED_BY = 'etl version 0.1.0';

/** A column chunk that is in the file. */
export interface WrittenChunk {
  readonly leaf: Leaf;
  readonly start: number;
  readonly dataStart: number;
  readonly hasDictionary: boolean;
  readonly size: number;
  readonly uncompressed: number;
  readonly values: number;
  readonly nulls: number;
  readonly bounds: Bounds | undefined;
  readonly encodings: readonly number[];
  /** Its part of the page index, already as it will lie in the file: a long file has many pages. */
  readonly index: { readonly columns: Uint8Array | undefined; readonly offsets: Uint8Array };
}
export interface RowGroup {
  readonly rows: number;
  readonly chunks: readonly WrittenChunk[];
}
/** Where a part of the page index lies. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}
export interface ChunkIndex {
  readonly columns: Range | undefined;
  readonly offsets: Range;
}
export interface FileParts {
  readonly schema: Schema;
  readonly parquet: ParquetSchema;
  readonly groups: readonly RowGroup[];
  readonly indexes: readonly (readonly ChunkIndex[])[];
  readonly rows: number;
  readonly options: FormatOptions;
}

/** Bounds of each page; undefined when a page has values but no bounds (a NaN): such a chunk has no column index. */
export function columnIndex(pages: readonly PageRecord[]): Uint8Array | undefined {
  if (pages.some((page) => page.nulls < page.values && page.bounds?.max === undefined)) return undefined;
  const empty = new Uint8Array(0);
  const thrift = new ThriftWriter();
  return thrift.struct(() => {
    thrift.list(1, T.TRUE, pages, (page) => thrift.bareBool(page.nulls === page.values));
    thrift.list(2, T.BINARY, pages, (page) => thrift.bareBinary(page.bounds?.min ?? empty));
    thrift.list(3, T.BINARY, pages, (page) => thrift.bareBinary(page.bounds?.max ?? empty));
    thrift.i32(4, 0); // unordered
    thrift.list(5, T.I64, pages, (page) => thrift.bareI32(page.nulls));
  }).finish();
}

export function offsetIndex(pages: readonly PageRecord[], dataStart: number): Uint8Array {
  const thrift = new ThriftWriter();
  return thrift.struct(() => thrift.list(1, T.STRUCT, pages, (page) => thrift.struct(() => {
    thrift.i64(1, dataStart + page.offset);
    thrift.i32(2, page.size);
    thrift.i64(3, page.firstRow);
  }))).finish();
}

export function footer(file: FileParts): Uint8Array {
  const thrift = new ThriftWriter();
  const { parquet, groups } = file;
  const root: SchemaElement = { name: 'schema', repetition: -1, children: file.schema.fields.length };
  return thrift.struct(() => {
    thrift.i32(1, 2);
    thrift.list(2, T.STRUCT, [root, ...parquet.elements], (element) => writeElement(thrift, element));
    thrift.i64(3, file.rows);
    thrift.list(4, T.STRUCT, [...groups.keys()], (ordinal) => writeGroup(thrift, file, ordinal));
    const metadata = file.schema.fields.flatMap(fieldMetadata);
    if (metadata.length > 0) {
      thrift.list(5, T.STRUCT, metadata, ([key, value]) => thrift.struct(() => {
        thrift.binary(1, key);
        thrift.binary(2, value);
      }));
    }
    thrift.binary(6, CREATED_BY);
    thrift.list(7, T.STRUCT, parquet.leaves, () => thrift.struct(() => thrift.field(1, () => {})));
  }).finish();
}

/** What Parquet's schema can't say of a field: where a text comes from, and which key hashed it. */
function fieldMetadata(field: Field): [string, string][] {
  const about = {
    ...(field.type.kind === 'text' && field.type.origin !== undefined && { origin: field.type.origin }),
    ...(field.type.kind !== 'text' && field.type.kind !== 'json' && field.origin !== undefined && { origin: field.origin }),
    ...(field.sourceType !== undefined && { sourceType: field.sourceType }),
    ...(field.hash && { hash: field.hash }),
  };
  return Object.keys(about).length === 0 ? [] : [[`etl.field.${field.name}`, JSON.stringify(about)]];
}

function writeElement(thrift: ThriftWriter, { name, repetition, leaf, children, list }: SchemaElement): void {
  thrift.struct(() => {
    if (leaf) thrift.i32(1, leaf.physical);
    if (leaf && leaf.width === 16) thrift.i32(2, 16);
    if (repetition >= 0) thrift.i32(3, repetition);
    thrift.binary(4, name);
    if (children !== undefined) thrift.i32(5, children);
    if (list) {
      thrift.i32(6, 3);
      thrift.field(10, () => thrift.field(3, () => {}));
    }
    if (leaf) writeAnnotations(thrift, leaf);
  });
}

/** What the values mean, in the old form and in the new. */
function writeAnnotations(thrift: ThriftWriter, { converted, decimal, logical }: LeafType): void {
  if (converted !== undefined) thrift.i32(6, converted);
  if (decimal) {
    thrift.i32(7, decimal.scale);
    thrift.i32(8, decimal.precision);
  }
  if (logical) thrift.field(10, () => logical(thrift));
}

function writeGroup(thrift: ThriftWriter, { groups, indexes, options }: FileParts, ordinal: number): void {
  const { rows, chunks } = groups[ordinal] ?? { rows: 0, chunks: [] };
  thrift.struct(() => {
    thrift.list(1, T.STRUCT, [...chunks.keys()], (i) => {
      const [chunk, index] = [chunks[i], indexes[ordinal]?.[i]];
      if (chunk && index) writeChunk(thrift, chunk, index, options);
    });
    thrift.i64(2, chunks.reduce((sum, chunk) => sum + chunk.uncompressed, 0));
    thrift.i64(3, rows);
    thrift.i64(5, chunks[0]?.start ?? 4);
    thrift.i64(6, chunks.reduce((sum, chunk) => sum + chunk.size, 0));
    if (ordinal < 32768) thrift.i16(7, ordinal);
  });
}

function writeChunk(thrift: ThriftWriter, chunk: WrittenChunk, index: ChunkIndex, options: FormatOptions): void {
  thrift.struct(() => {
    thrift.i64(2, 0);
    thrift.field(3, () => {
      thrift.i32(1, chunk.leaf.type.physical);
      thrift.list(2, T.I32, chunk.encodings, (encoding) => thrift.bareI32(encoding));
      thrift.list(3, T.BINARY, chunk.leaf.path, (name) => thrift.bareBinary(name));
      thrift.i32(4, CODECS[options.compression]);
      thrift.i64(5, chunk.values);
      thrift.i64(6, chunk.uncompressed);
      thrift.i64(7, chunk.size);
      thrift.i64(9, chunk.dataStart);
      if (chunk.hasDictionary) thrift.i64(11, chunk.start);
      thrift.field(12, () => writeStatistics(thrift, chunk));
    });
    thrift.i64(4, index.offsets.offset);
    thrift.i32(5, index.offsets.length);
    if (index.columns) {
      thrift.i64(6, index.columns.offset);
      thrift.i32(7, index.columns.length);
    }
  });
}

function writeStatistics(thrift: ThriftWriter, { nulls, bounds }: WrittenChunk): void {
  thrift.i64(3, nulls);
  if (!bounds?.max) return;
  thrift.binary(5, bounds.max);
  thrift.binary(6, bounds.min);
  thrift.bool(7, bounds.maxExact);
  thrift.bool(8, bounds.minExact);
}
