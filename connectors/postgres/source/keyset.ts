import { canonicalText, type Vector } from '#batch';
import type { Selection } from '#sdk';
import { quoteName, quoteText } from '../quoting.ts';
import type { Selected } from './select.ts';

/** A place in a table that is read in the order of some columns, as texts that the server reads back exactly (guarantee 6). */
export type Tuple = readonly string[];

/** Columns whose values may lie in a position: they are sent, and never masked. */
export function mayBePlace(selected: Selected, selection: Selection, columns: readonly string[]): boolean {
  const sent = new Set(selected.schema.fields.map((field) => field.name));
  return columns.every((name) => sent.has(name) && !selection.masked.includes(name));
}

export function orderBy(columns: readonly string[]): string {
  return ` ORDER BY ${columns.map((name) => quoteName(name)).join(', ')}`;
}

/** The rows after a place: all columns are compared at once, so that a tie is never cut (guarantees 3 and 4). */
export function beyond(columns: readonly string[], tuple: Tuple, selected: Selected): string {
  return `(${columns.map((name) => quoteName(name)).join(', ')}) > (${columns.map((name, index) => literalOf(selected, name, tuple[index] ?? '')).join(', ')})`;
}

/** A value of a column. */
export function literalOf(selected: Selected, column: string, text: string): string {
  const type = selected.columns.find(({ field }) => field.name === column)?.pgType;
  return type ? `${quoteText(text)}::${quoteName(type.schema, type.name)}` : quoteText(text);
}

/** The place of a row; undefined where one of the columns is NULL. */
export function tupleAt(columns: readonly string[], selected: Selected, vectors: readonly Vector[], row: number): Tuple | undefined {
  const texts = columns.map((name) => {
    const vector = vectors[selected.columns.findIndex(({ field }) => field.name === name)];
    return vector ? serverText(vector, row) : null;
  });
  return texts.every((text): text is string => text !== null) ? texts : undefined;
}

function serverText(vector: Vector, row: number): string | null {
  const text = canonicalText(vector, row);
  if (text === null) return null;
  if (vector.type.kind === 'bytes') return `\\x${text}`;
  const isDate = vector.type.kind === 'date' || vector.type.kind === 'timestamp' || vector.type.kind === 'timestamptz';
  const year = isDate ? /^([+-]\d+|\d{4})(-\d.*)$/.exec(text) : null;
  if (!year?.[1] || year[1] === String(Number(year[1])).padStart(4, '0') && Number(year[1]) > 0) return text;
  const number = Number(year[1]);
  return number > 0 ? `${number}${year[2] ?? ''}` : `${String(1 - number).padStart(4, '0')}${year[2] ?? ''} BC`;
}
