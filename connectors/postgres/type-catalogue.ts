import type { Field } from '#batch';
import type { SqlConnection } from '../_shared/sql/dialect.ts';
import { originName, type TypesHere } from './target-types.ts';

const FIND = `select name, to_regtype(name) is not null as found,
  (select json_agg(l.enumlabel) from pg_catalog.pg_type t join pg_catalog.pg_enum l on l.enumtypid in (t.oid, t.typelem) where t.oid = to_regtype(name))::text as labels
  from json_array_elements_text($1::json) as name`;

/** The types of one database, as far as a source's columns have asked for them. */
export class TypeCatalogue implements TypesHere {
  private readonly labels = new Map<string, ReadonlySet<string>>();

  /** What was not found is looked for again: somebody may make it between two runs. */
  async learn(connection: SqlConnection, fields: readonly Field[]): Promise<void> {
    const asked = [...new Set(fields.flatMap((field) => originName(field) ?? []))].filter((name) => !this.labels.has(name));
    if (asked.length === 0) return;
    for (const row of await connection.query(FIND, [JSON.stringify(asked)])) {
      if (row['found'] === true) this.labels.set(String(row['name']), new Set(JSON.parse(String(row['labels'] ?? '[]')) as string[]));
    }
  }

  has(name: string, labels: readonly string[] | undefined): boolean {
    const here = this.labels.get(name);
    return here !== undefined && (labels ?? []).every((label) => here.has(label));
  }
}
