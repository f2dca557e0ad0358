/**
 * The name of a type with its modifiers, the same on every server whatever its search path: `numeric(12,2)`, `public.mood[]`. Both are
 * expressions: the type's oid and its modifiers.
 */
export function typeNameSql(oid: string, typmod: string): string {
  return `(SELECT CASE WHEN n.nspname = 'pg_catalog' THEN pg_catalog.format_type(${oid}, ${typmod})
    ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(e.typname) || substr(pg_catalog.format_type(e.oid, ${typmod}), length(pg_catalog.format_type(e.oid, NULL)) + 1)
      || CASE WHEN e.oid <> t.oid THEN '[]' ELSE '' END END
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
      JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace WHERE t.oid = ${oid})`;
}
