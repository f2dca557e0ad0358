import { Arena, viewBytes, type Vector } from '#batch';
import { kernels } from '#kernels';
import type { Compressor } from '../compress.ts';
import { unwritable } from '../errors.ts';
import { Chain, Region, SEGMENT } from '../region.ts';
import { Dictionary } from './dictionary.ts';
import { shred, type Shredder } from './levels.ts';
import { Physical, type Leaf } from './schema.ts';
import { Statistics, type Bounds } from './statistics.ts';
import { Encoding, HEADER_BYTES, pageHeader } from './page.ts';

/** A page ends at this many rows, so that the page index can skip, or at this many bytes of values. */
const PAGE_ROWS = 20_000;
const PAGE_BYTES = 480 * 1024;
/** A page of indices ends when the texts that they stand for are so many bytes: it may have to hold them after all. */
const INDEXED_BYTES = 4 * 1024 * 1024;
/** Rows of a nested column that are taken at a time. */
const NESTED_ROWS = 1024;
/** Kept free before a page's values, for its levels: then PLAIN values are compressed where they lie. Enough for a flat column. */
const HEAD = 8 * 1024;

export interface PageRecord {
  /** From the first data page of its chunk. */
  readonly offset: number;
  /** With its header, as it lies in the file. */
  readonly size: number;
  readonly firstRow: number;
  readonly nulls: number;
  readonly values: number;
  readonly bounds: Bounds | undefined;
}

/** A finished column chunk: its dictionary page, then its data pages. */
export interface Chunk {
  readonly leaf: Leaf;
  readonly dictionary: Uint8Array | undefined;
  readonly data: Chain;
  readonly pages: readonly PageRecord[];
  readonly values: number;
  readonly nulls: number;
  readonly uncompressed: number;
  readonly bounds: Bounds | undefined;
  readonly encodings: readonly number[];
}

/** Scratch that the columns of a file share: only one page is built at a time. */
export interface Shared {
  readonly compressor: Compressor;
  readonly body: Region;
  readonly shredder: Shredder;
  /** How often the parts of each column are halved, as there are many. */
  readonly halved: number;
}

/** Collects one leaf's values and makes pages of them. Everything but the page in the making is compressed. */
export class ColumnWriter {
  readonly leaf: Leaf;
  private readonly shared: Shared;
  private readonly arena = new Arena();
  private readonly header = this.arena.allocate(HEADER_BYTES);
  private readonly page: Statistics;
  private readonly chunk: Statistics;
  private readonly takesDictionary: boolean;
  /** Of this chunk, from its first values until no page refers to it and none will: its memory serves the next column. */
  private dictionary: Dictionary | undefined;
  /** Indices go into the page in the making; false once the dictionary did not pay or is full. */
  private indexed: boolean;
  /** A page ends past this many bytes of values; `head` is kept free before them. */
  private readonly pageBytes: number;
  private readonly head: number;
  /** The page in the making. */
  private readonly values: Region;
  private valuesEnd = 0;
  /** Bytes of the texts that the page's indices stand for. */
  private indexedBytes = 0;
  private readonly indices = new Region();
  private readonly definitions = new Region();
  private readonly repetitions = new Region();
  private present = 0;
  private entries = 0;
  private rows = 0;
  /** The chunk so far. */
  private data: Chain;
  private pages: PageRecord[] = [];
  private chunkRows = 0;
  private indexedPages = 0;
  /** Bytes of the chunk's pages before compression. */
  private uncompressed = 0;

  constructor(leaf: Leaf, shared: Shared) {
    this.leaf = leaf;
    this.shared = shared;
    this.page = new Statistics(leaf.type, this.arena);
    this.chunk = new Statistics(leaf.type, this.arena);
    const { width, physical } = leaf.type;
    const { halved } = shared;
    this.pageBytes = PAGE_BYTES >> halved;
    this.head = HEAD >> halved;
    this.values = new Region((HEAD + (width > 0 ? Math.min(PAGE_BYTES, PAGE_ROWS * width) : PAGE_BYTES / 2)) >> halved);
    this.data = this.chain();
    this.takesDictionary = this.indexed = physical !== Physical.BOOLEAN && width <= 8;
  }

  /** Bytes of this chunk before compression, the page in the making included. */
  get encodedBytes(): number {
    return this.uncompressed + (this.indexed ? this.present * 2 : this.valuesEnd);
  }

  append(vector: Vector): void {
    if (this.indexed) this.dictionary ??= new Dictionary(this.leaf.type.width, this.shared.halved);
    if (this.leaf.steps.every((step) => step.kind === 'optional')) this.appendFlat(vector);
    else for (let from = 0; from < vector.length; from += NESTED_ROWS) this.appendNested(vector, from, Math.min(from + NESTED_ROWS, vector.length));
  }

  private appendFlat(vector: Vector): void {
    const valid = vector.validity?.byteOffset ?? 0;
    for (let from = 0; from < vector.length;) {
      const to = this.fit(vector, from);
      if (to === from) {
        this.endPage();
        continue;
      }
      const levels = this.definitions.ensure(this.entries + to - from, this.entries) + this.entries;
      const present = kernels().pqLevels(valid, from, to, levels);
      if (present < to - from && this.leaf.maxDefinition === 0) throw unwritable(this.leaf.path.join('.'), 'a null in a column that has none');
      this.appendValues(vector, valid, { from, to, present });
      this.entries += to - from;
      this.rows += to - from;
      from = to;
    }
  }

  /** Up to which row the page has room. A value larger than a page gets one of its own. */
  private fit(vector: Vector, from: number): number {
    const untried = this.dictionary && this.indexed ? this.dictionary.untried : Infinity;
    const to = Math.min(vector.length, from + Math.min(PAGE_ROWS - this.rows, untried));
    const room = this.pageBytes - this.valuesEnd;
    if (this.leaf.type.width > 0) return Math.min(to, from + Math.max(0, Math.floor(room / this.leaf.type.width)));
    const end = kernels().pqTextFit(addressOf(vector.offsets), from, to, this.indexed ? this.indexedRoom() : room);
    return end === from && this.rows === 0 ? Math.min(from + 1, to) : end;
  }

  private indexedRoom(): number {
    return (INDEXED_BYTES >> this.shared.halved) - this.indexedBytes;
  }

  private appendNested(vector: Vector, from: number, to: number): void {
    if (this.rows + to - from > PAGE_ROWS || this.valuesEnd > this.pageBytes || this.entries > this.pageBytes || this.indexedRoom() < 0) this.endPage();
    const shreds = shred(this.shared.shredder, this.leaf, vector, { from, to });
    const { count } = shreds;
    const { maxDefinition } = this.leaf;
    viewBytes(this.definitions.ensure(this.entries + count, this.entries) + this.entries, count).set(viewBytes(shreds.definitions, count));
    viewBytes(this.repetitions.ensure(this.entries + count, this.entries) + this.entries, count).set(viewBytes(shreds.repetitions, count));
    const present = kernels().pqCount(shreds.definitions, count, maxDefinition);
    this.appendValues(shreds.vector, shreds.valid, { from: shreds.from, to: shreds.to, present });
    this.entries += count;
    this.rows += to - from;
  }

  private appendValues(vector: Vector, valid: number, { from, to, present }: { from: number; to: number; present: number }): void {
    if (this.leaf.type.width > 0) this.appendFixed(vector, valid, { from, to, present });
    else this.appendText(vector, valid, from, to);
    this.present += present;
    if (this.dictionary && this.indexed && !this.dictionary.pays(present)) this.abandonDictionary();
  }

  /** Fixed values are kept as PLAIN beside their indices: giving the dictionary up costs nothing. */
  private appendFixed(vector: Vector, valid: number, { from, to, present }: { from: number; to: number; present: number }): void {
    const { width, copy, order } = this.leaf.type;
    const values = this.valuesRoom((to - from) * width);
    kernels().pqCopy(copy, vector.data.byteOffset, valid, from, to, values);
    kernels().pqRange(order, values, present, this.page.address);
    this.valuesEnd += present * width;
    if (!this.dictionary || !this.indexed) return;
    const out = this.indices.ensure((this.present + present) * 4, this.present * 4) + this.present * 4;
    if (kernels().pqDict(width, values, present, this.dictionary.address, out) < present) this.abandonDictionary();
  }

  private appendText(vector: Vector, valid: number, from: number, to: number): void {
    const [data, offsets] = [vector.data.byteOffset, addressOf(vector.offsets)];
    let next = from;
    if (this.dictionary && this.indexed) {
      this.indexedBytes += textBytes(vector, from, to);
      const out = this.indices.ensure((this.present + to - from) * 4, this.present * 4) + this.present * 4;
      next = kernels().pqDictText(data, offsets, valid, from, to, this.dictionary.address, out);
      if (next === to) return;
      this.abandonDictionary(kernels().pqCountPresent(valid, from, next));
    }
    kernels().pqTextRange(data, offsets, valid, next, to, this.page.address);
    const values = this.valuesRoom(textBytes(vector, next, to));
    this.valuesEnd += kernels().pqTextPlain(data, offsets, valid, next, to, values) - values;
  }

  /** Where the next `size` bytes of values go. */
  private valuesRoom(size: number): number {
    const end = this.head + this.valuesEnd;
    return this.values.ensure(end + size, end) + end;
  }

  /** The page in the making becomes PLAIN, and so do all after it. `more` indices are written but not yet counted. */
  private abandonDictionary(more = 0): void {
    this.indexed = false;
    if (this.dictionary && this.leaf.type.width === 0) {
      const count = this.present + more;
      this.rangeOfTexts(this.dictionary, count);
      const size = kernels().pqUndictSize(this.indices.address, count, this.dictionary.address);
      kernels().pqUndict(this.indices.address, count, this.dictionary.address, this.valuesRoom(size));
      this.valuesEnd = size;
    }
    if (this.indexedPages === 0) this.dropDictionary();
  }

  /** Bounds of a page of indices: each text that they name is looked at once. */
  private rangeOfTexts(dictionary: Dictionary, count: number): void {
    kernels().pqDictTextRange(this.indices.address, count, dictionary.address, dictionary.marks, this.page.address);
  }

  private dropDictionary(): void {
    this.dictionary?.release();
    this.dictionary = undefined;
  }

  private endPage(): void {
    if (this.rows === 0) return;
    if (this.dictionary && this.indexed && this.leaf.type.width === 0) this.rangeOfTexts(this.dictionary, this.present);
    const { address, length } = this.encode();
    const packed = this.shared.compressor.compress(address, length);
    const encoding = this.indexed ? Encoding.RLE_DICTIONARY : Encoding.PLAIN;
    const header = pageHeader({ kind: 'data', length, packed: packed.length, values: this.entries, encoding }, this.header);
    this.pages.push({
      offset: this.data.length, size: header.length + packed.length, firstRow: this.chunkRows, values: this.entries,
      nulls: this.entries - this.present, bounds: this.page.bounds(),
    });
    this.data.append(header);
    this.data.append(packed);
    this.uncompressed += header.length + length;
    this.indexedPages += this.indexed ? 1 : 0;
    this.chunkRows += this.rows;
    this.chunk.add(this.page);
    this.page.clear();
    if (this.valuesEnd > INDEXED_BYTES) this.values.release(); // a huge value is not to take its room until the file's end
    this.present = this.entries = this.rows = this.valuesEnd = this.indexedBytes = 0;
  }

  /** Repetition levels, definition levels, values: a data page of version 1, which every reader knows. */
  private encode(): { readonly address: number; readonly length: number } {
    const { body } = this.shared;
    const { maxRepetition, maxDefinition, type } = this.leaf;
    const start = body.ensure((this.entries + 64) * 4 + this.present * 4);
    let at = start;
    if (maxRepetition > 0) at = this.encodeLevels(this.repetitions.address, maxRepetition, at);
    if (maxDefinition > 0) at = this.encodeLevels(this.definitions.address, maxDefinition, at);
    if (this.indexed && this.dictionary) {
      const width = bitsFor(this.dictionary.entries - 1);
      viewBytes(at, 1)[0] = width;
      at = kernels().pqHybrid32(this.indices.address, this.present, width, at + 1);
    } else if (type.physical === Physical.BOOLEAN) at = kernels().pqBits(this.valuesRoom(0) - this.valuesEnd, this.present, at);
    else return this.withValues(start, at - start);
    return { address: start, length: at - start };
  }

  /** The PLAIN values behind the levels, which move: they are few. But for long lists. */
  private withValues(levels: number, length: number): { readonly address: number; readonly length: number } {
    const values = this.valuesRoom(0) - this.valuesEnd;
    const whole = length + this.valuesEnd;
    if (length <= this.head) {
      viewBytes(values - length, length).set(viewBytes(levels, length));
      return { address: values - length, length: whole };
    }
    const address = this.shared.body.ensure(whole, length);
    viewBytes(address + length, this.valuesEnd).set(viewBytes(values, this.valuesEnd));
    return { address, length: whole };
  }

  private encodeLevels(levels: number, most: number, at: number): number {
    const end = kernels().pqHybrid8(levels, this.entries, bitsFor(most), at + 4);
    new DataView(viewBytes(at, 4).buffer, at, 4).setUint32(0, end - at - 4, true);
    return end;
  }

  /** Ends the chunk and begins the next. */
  finish(): Chunk {
    this.endPage();
    const dictionary = this.dictionaryPage();
    const { pages, data } = this;
    const chunk: Chunk = {
      leaf: this.leaf, dictionary: dictionary?.bytes, data, pages, bounds: this.chunk.bounds(),
      values: pages.reduce((sum, page) => sum + page.values, 0), nulls: pages.reduce((sum, page) => sum + page.nulls, 0),
      uncompressed: this.uncompressed + (dictionary?.uncompressed ?? 0),
      encodings: [...(dictionary ? [Encoding.RLE_DICTIONARY] : []), ...(!dictionary || this.indexedPages < pages.length ? [Encoding.PLAIN] : []), Encoding.RLE],
    };
    this.data = this.chain();
    this.pages = [];
    this.chunkRows = this.indexedPages = this.uncompressed = 0;
    this.chunk.clear();
    this.dropDictionary();
    this.indexed = this.takesDictionary;
    return chunk;
  }

  private chain(): Chain {
    return new Chain(SEGMENT >> this.shared.halved);
  }

  private dictionaryPage(): { bytes: Uint8Array; uncompressed: number } | undefined {
    if (!this.dictionary || this.indexedPages === 0) return undefined;
    const { entries, bytes: length, data } = this.dictionary;
    const packed = this.shared.compressor.compress(data, length);
    const header = pageHeader({ kind: 'dictionary', length, packed: packed.length, values: entries, encoding: Encoding.PLAIN }, this.header);
    return { bytes: Buffer.concat([header, packed]), uncompressed: header.length + length };
  }

  release(): void {
    this.arena.release();
    this.dropDictionary();
    this.data.release();
    for (const region of [this.values, this.indices, this.definitions, this.repetitions]) region.release();
  }
}

/** Most bytes that these rows take as PLAIN. */
function textBytes({ offsets }: Vector, from: number, to: number): number {
  return (offsets?.[to] ?? 0) - (offsets?.[from] ?? 0) + (to - from) * 4;
}

function bitsFor(greatest: number): number {
  return 32 - Math.clz32(greatest);
}

function addressOf(offsets: Int32Array | undefined): number {
  return offsets?.byteOffset ?? 0;
}
