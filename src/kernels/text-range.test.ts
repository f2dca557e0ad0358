import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena, viewBytes, viewInt32 } from '#batch';
import { kernels } from '#kernels';

const KEPT = 64;

/** Texts that share long beginnings, as notes and addresses do, some longer than what is kept of a bound. */
const text = fc.tuple(
  fc.constantFrom('', 'a', 'Some note', 'Some note about order number ', 'x'.repeat(60), 'x'.repeat(64), 'x'.repeat(70)),
  fc.string({ unit: fc.constantFrom('\0', 'a', 'b', 'é', '~'), maxLength: 14 }),
).map(([beginning, end]) => Buffer.from(beginning + end));
const pages = fc.array(fc.array(fc.option(text, { nil: null, freq: 6 }), { maxLength: 12 }), { minLength: 1, maxLength: 4 });

/** Least and greatest of the texts as far as they are kept; cut: the kept part is not all of it. */
function expected(texts: readonly Buffer[]) {
  const kept = (buffer: Buffer): Buffer => buffer.subarray(0, KEPT);
  const sorted = texts.toSorted((a, b) => Buffer.compare(kept(a), kept(b)));
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (!least || !greatest) return undefined;
  const atMost = texts.filter((each) => kept(each).equals(kept(greatest)));
  return { least: kept(least).toString('latin1'), greatest: kept(greatest).toString('latin1'), greatestCut: atMost.some((each) => each.length > KEPT) };
}

test('bounds of texts are those of sorting them', () => {
  fc.assert(fc.property(pages, (given) => {
    const arena = new Arena();
    const statistics = arena.bytes(256).fill(0);
    for (const page of given) {
      const bytes = Buffer.concat(page.map((each) => each ?? Buffer.alloc(0)));
      const [data, valid] = [arena.bytes(bytes.length), arena.bytes(page.length)];
      const offsets = viewInt32(arena.allocate(4 * (page.length + 1)), page.length + 1);
      data.set(bytes);
      let end = 0;
      offsets[0] = 0;
      page.forEach((each, i) => {
        valid[i] = each === null ? 0 : 1;
        offsets[i + 1] = end += each?.length ?? 0;
      });
      kernels().pqTextRange(data.byteOffset, offsets.byteOffset, valid.byteOffset, 0, page.length, statistics.byteOffset);
    }
    const words = viewInt32(statistics.byteOffset, 5);
    const [any, leastLength = 0, greatestLength = 0, , greatestCut] = words;
    const kept = (at: number, length: number): string => Buffer.from(viewBytes(statistics.byteOffset + at, length)).toString('latin1');
    const found = any ? { least: kept(32, leastLength), greatest: kept(128, greatestLength), greatestCut: greatestCut === 1 } : undefined;
    arena.release();
    expect(found).toEqual(expected(given.flat().filter((each) => each !== null)));
  }), { numRuns: 5000 });
});
