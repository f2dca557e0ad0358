import type { Schema } from '#batch';
import { EtlError, type Selection } from '#sdk';
import { quoteName } from '../quoting.ts';
import { readColumn, type PgColumn, type ReadColumn } from '../types.ts';
import type { Relation } from './catalogue.ts';

/** What is read of one stream: the columns that leave, and those that only the position needs. */
export interface Selected {
  readonly relation: Relation;
  readonly schema: Schema;
  /** First the schema's fields, in its order, then columns that are read and not sent. */
  readonly columns: readonly ReadColumn[];
  readonly key: readonly string[];
}

export function columnNamed(relation: Relation, name: string): PgColumn {
  const column = relation.columns.find((each) => each.name === name);
  if (column) return column;
  throw new EtlError({ kind: 'not_found', code: 'ETL-PG-005', message: `${relation.stream} has no column ${name}.`, hint: `It has ${relation.columns.map((each) => each.name).join(', ')}.` });
}

/** Applies a selection's columns, exclusions and texts. `hidden` columns are read as well, for positions. */
export function selectColumns(relation: Relation, selection: Selection, hidden: readonly string[] = []): Selected {
  for (const name of [...(selection.columns ?? []), ...selection.key, ...selection.asText]) columnNamed(relation, name);
  const excluded = new Set(selection.exclude ?? []);
  const wanted = selection.columns && new Set(selection.columns);
  const asText = new Set(selection.asText);
  const sent = relation.columns.filter((column) => !excluded.has(column.name) && (!wanted || wanted.has(column.name)));
  const sentNames = new Set(sent.map((column) => column.name));
  const extra = [...new Set(hidden)].filter((name) => !sentNames.has(name)).map((name) => columnNamed(relation, name));
  const key = selection.key.length > 0 ? selection.key : relation.key;
  const columns = [...sent, ...extra].map((column) => readColumn(column, relation.types, asText.has(column.name)));
  return {
    relation, columns, key,
    schema: { fields: columns.slice(0, sent.length).map((column) => column.field), key: key.every((name) => sentNames.has(name)) ? key : [] },
  };
}

/** What a split keeps of its selection. A query may hold secrets, and the state is no place for them: it goes with the reading, which is never stored. */
export function keptSelection(selection: Selection): Selection {
  return selection.query === undefined ? selection : { ...selection, query: '' };
}

/** The COPY's column list. */
export function selectList(columns: readonly ReadColumn[]): string {
  if (columns.length === 0) return '';
  return columns.map(({ field, castToText }) => (castToText ? `${quoteName(field.name)}::pg_catalog.text` : quoteName(field.name))).join(', ');
}

export function copyStatement(query: string): string {
  return `COPY (${query}) TO STDOUT (FORMAT binary)`;
}
