import { linearMemory, PRESENT, varVector, type Arena, type LogicalType, type Vector } from '../batch/index.ts';
import type { Changed } from './cast.ts';

const memory = new Uint8Array(linearMemory.buffer);

/** A column of texts made anew, value by value: `change` gives the new text, null where there is none to give. */
export function mapTexts(texts: Vector, change: (text: string) => string | null, type: LogicalType, arena: Arena): Changed {
  const { buffer, byteOffset } = texts.data;
  const failed: number[] = [];
  const changed: string[] = [];
  let bytes = 0;
  for (let i = 0; i < texts.length; i++) {
    let text: string | null = '';
    if ((texts.validity?.[i] ?? PRESENT) === PRESENT) {
      const start = texts.offsets?.[i] ?? 0;
      text = change(Buffer.from(buffer, byteOffset + start, (texts.offsets?.[i + 1] ?? 0) - start).toString('utf8'));
    }
    if (text === null) failed.push(i);
    changed.push(text ?? '');
    bytes += Buffer.byteLength(text ?? '');
  }
  return { vector: { ...textVector(changed, bytes, type, arena), validity: texts.validity }, failed };
}

function textVector(texts: readonly string[], bytes: number, type: LogicalType, arena: Arena): Vector {
  const vector = varVector(type, texts.length, bytes, arena);
  const target = Buffer.from(vector.data.buffer, vector.data.byteOffset, bytes);
  let at = 0;
  texts.forEach((text, i) => {
    at += target.write(text, at, 'utf8');
    vector.offsets[i + 1] = at;
  });
  return vector;
}

/** One text for every present value. */
export function constantTexts(vector: Vector, text: string, arena: Arena): Vector {
  const encoded = Buffer.from(text);
  const texts = varVector({ kind: 'text' }, vector.length, encoded.length * vector.length, arena);
  let at = 0;
  for (let i = 0; i < vector.length; i++) {
    if ((vector.validity?.[i] ?? PRESENT) === PRESENT) {
      memory.set(encoded, texts.data.byteOffset + at);
      at += encoded.length;
    }
    texts.offsets[i + 1] = at;
  }
  return { ...texts, data: texts.data.subarray(0, at), validity: vector.validity };
}

/** The first characters of a text: characters, not bytes and not halves of a surrogate pair. */
export function truncateText(text: string, characters: number): string {
  if (text.length <= characters) return text;
  return Array.from(text).slice(0, characters).join('');
}

/** Ends stay, the middle becomes one mask text; a text too short to have a middle is masked whole. */
export function maskText(text: string, rule: { readonly keepFirst: number; readonly keepLast: number; readonly with: string }): string {
  const characters = Array.from(text);
  if (characters.length <= rule.keepFirst + rule.keepLast) return rule.with;
  return characters.slice(0, rule.keepFirst).join('') + rule.with + characters.slice(characters.length - rule.keepLast).join('');
}
