import type { CursorSpec, SyncMode } from '../sdk/contract.ts';
import type { RowCheck } from '../normalize/spec.ts';
import { CHECK_FORMS, parseCheck } from './checks.ts';
import { columnRules, type ColumnRules } from './columns.ts';
import type { Diagnostics, Path } from './diagnostics.ts';
import { pathKey } from './document.ts';
import { toJson, valueAt } from './issues.ts';
import type { ResolvedConnection, ResolvedStream, ResolvedTarget, UnboundStream } from './resolved.ts';
import { DEFAULTS, requireConnection, unit, type ResolveInput } from './resolve.ts';
import type { RawShared, RawStream, RawTarget } from './schema.ts';
import { parseDuration, parseTolerance } from './units.ts';

/** Sets each entry of `streams:` against the defaults of the job and of the project. */
export class StreamResolver {
  readonly #diagnostics: Diagnostics;

  constructor(
    private readonly input: ResolveInput,
    private readonly connections: Readonly<Record<string, ResolvedConnection>>,
  ) {
    this.#diagnostics = input.diagnostics;
  }

  all(): readonly UnboundStream[] {
    const entries = Object.entries(this.input.raw.streams);
    if (entries.length === 0) this.#diagnostics.report(['streams'], { code: 'ETL-JOB-042', message: '`streams` names no stream', hint: 'write at least one, such as `public.orders:` or `"public.*":`', at: 'key' });
    if (entries.length > 0 && entries.every(([, stream]) => stream === 'skip')) this.#diagnostics.report(['streams'], { code: 'ETL-JOB-042', message: 'every stream is skipped: the job does nothing', hint: 'leave one of them in', at: 'key' });
    const patterns: string[] = [];
    return entries.map(([pattern, stream]) => {
      if (pattern.includes('*')) {
        this.#refuseShadowed(pattern, patterns);
        patterns.push(pattern);
      }
      return this.#one(pattern, stream === 'skip' ? undefined : (stream ?? {}));
    });
  }

  #refuseShadowed(pattern: string, earlier: readonly string[]): void {
    const cover = earlier.find((other) => covers(other, pattern));
    if (cover !== undefined) this.#diagnostics.report(['streams', pattern], { code: 'ETL-JOB-040', severity: 'warning', message: `nothing reaches \`${pattern}\`: \`${cover}\` above takes its streams`, hint: 'put the narrower pattern first', at: 'key' });
  }

  #one(pattern: string, stream: RawStream | undefined): UnboundStream {
    const path = ['streams', pattern];
    const raw = stream ?? {};
    if (stream) this.#refuseLater(raw, path);
    this.#refuseUnused(raw, path);
    const shared = this.#merged(raw);
    const sync = this.#sync(raw, path);
    const rules = shared.columns ? columnRules(shared.columns, this.#pathOf(raw, path, 'columns'), { diagnostics: this.#diagnostics, isOpen: (at) => this.input.document.open.has(pathKey(at)) }) : { columns: {}, others: 'keep' as const };
    const key = keyOf(shared.key);
    if (key) this.#keyIsKept(key.columns, rules, this.#pathOf(raw, path, 'columns'));
    const cursor = this.#cursor(shared.cursor, this.#pathOf(raw, path, 'cursor'));
    const location = this.input.document.locate(path, 'key');
    return {
      pattern,
      skip: stream === undefined,
      ...(location ? { location } : {}),
      ...(raw.query === undefined ? {} : { query: raw.query }),
      sync,
      ...(shared.write === undefined ? {} : { write: shared.write }),
      ...(key ? { key } : {}),
      ...(cursor ? { cursor } : {}),
      ...rules,
      ...(raw.columns ? { ownRules: Object.keys(raw.columns).filter((name) => name !== '*') } : {}),
      ...this.#policies(shared, raw, path),
      ...this.#checks(shared.checks ?? [], this.#pathOf(raw, path, 'checks')),
      target: this.#target(raw.target, path),
    };
  }

  /** A stream's own word, else the job's default, else the project's; columns and checks add up. */
  #merged(raw: RawStream): RawShared {
    const layers = [this.input.project?.defaults ?? {}, this.input.raw.defaults ?? {}, raw];
    const merged: RawShared = Object.assign({}, ...layers);
    const columns = Object.assign({}, ...layers.map((layer) => layer.columns ?? {}));
    const objects = { errors: Object.assign({}, ...layers.map((layer) => layer.errors ?? {})), normalize: Object.assign({}, ...layers.map((layer) => layer.normalize ?? {})) };
    const schema = Object.assign({}, ...layers.map((layer) => contractOf(layer.schema)));
    return { ...merged, ...objects, schema, checks: layers.flatMap((layer) => layer.checks ?? []), ...(Object.keys(columns).length > 0 ? { columns } : {}) };
  }

  /** Where the value stands that holds for this stream. */
  #pathOf(raw: RawStream, path: Path, name: keyof RawShared): Path {
    return raw[name] === undefined ? ['defaults', name] : [...path, name];
  }

  #sync(raw: RawStream, path: Path): SyncMode {
    const own = raw.sync ?? this.input.raw.defaults?.sync ?? this.input.project?.defaults?.sync;
    if (own === 'cdc' || own === 'outbox') {
      this.#diagnostics.report(this.#pathOf(raw, path, 'sync'), { code: 'ETL-JOB-020', kind: 'unsupported', message: `\`sync: ${own}\` is not available in this version`, hint: 'use `sync: incremental` with a cursor column, or `sync: full`' });
    }
    // A job that says nothing reads all of it, and a job that names a cursor wants it used.
    return own ?? (this.#merged(raw).cursor === undefined ? 'full' : 'incremental');
  }

  #refuseLater(raw: RawStream, path: Path): void {
    const instead: Record<string, string> = {
      where: 'write a `query:` with its WHERE', transform: 'use `columns:` rules, or a `query:`', sandbox: 'remove it', child_tables: 'nested values arrive as JSON: `normalize: { nested: json }`',
    };
    for (const [name, hint] of Object.entries(instead)) {
      if (valueAt(raw, [name]) !== undefined) this.#diagnostics.report([...path, name], { code: 'ETL-JOB-020', kind: 'unsupported', message: `\`${name}\` is not available in this version`, hint, at: 'key' });
    }
  }

  /** What a stream says itself, and nothing would heed. Defaults are for the streams that they fit. */
  #refuseUnused(raw: RawStream, path: Path): void {
    const { sync, write } = this.#merged(raw);
    const exclude = (at: Path, message: string, hint: string): void => this.#diagnostics.report([...path, ...at], { code: 'ETL-JOB-052', message, hint, at: 'key' });
    if (raw.cursor !== undefined && sync === 'full' && write !== 'scd2') exclude(['cursor'], '`sync: full` reads all rows, whatever the `cursor`', 'write sync: incremental, or take the cursor out');
    if (raw.errors?.bad_rows === 'fail' && raw.errors.max_bad !== undefined) exclude(['errors', 'max_bad'], '`bad_rows: fail` stops at the first bad row, whatever `max_bad`', 'write bad_rows: quarantine, or take max_bad out');
  }

  #keyIsKept(columns: readonly string[], rules: ColumnRules, path: Path): void {
    for (const column of columns) {
      const rule = rules.columns[column];
      if (rule?.drop || (rule === undefined && rules.others === 'drop')) {
        this.#diagnostics.report([...path, rule?.drop ? column : '*'], { code: 'ETL-JOB-047', message: `the key column \`${column}\` is dropped: rows could not be told apart`, hint: rule?.drop ? 'hash it instead, or take it out of `key`' : `add \`${column}: keep\` to the columns` });
      }
    }
  }

  #cursor(raw: RawShared['cursor'], path: Path): CursorSpec | undefined {
    if (raw === undefined) return undefined;
    if (typeof raw === 'string') return { column: raw };
    const ms = (value: string | number | undefined, name: string): number | undefined => (value === undefined ? undefined : unit(value, [...path, name], 0, { parse: parseDuration, what: 'a duration', form: '30s, 10m, 2h', diagnostics: this.#diagnostics }));
    const lookbackMs = ms(raw.lookback, 'lookback');
    const maxWaitMs = ms(raw.max_wait, 'max_wait');
    return {
      column: raw.column,
      ...(lookbackMs === undefined ? {} : { lookbackMs }),
      ...(raw.start === undefined ? {} : { start: String(raw.start) }),
      ...(raw.nulls === undefined ? {} : { nulls: raw.nulls }),
      ...(maxWaitMs === undefined ? {} : { maxWaitMs }),
    };
  }

  #policies(shared: RawShared, raw: RawStream, path: Path): Pick<ResolvedStream, 'naming' | 'contract' | 'errors' | 'badText' | 'deletes' | 'unavailable' | 'addedColumns' | 'shared'> {
    const nested = shared.normalize?.nested ?? 'json';
    if (nested !== 'json') {
      this.#diagnostics.report([...this.#pathOf(raw, path, 'normalize'), 'nested'], { code: 'ETL-JOB-020', kind: 'unsupported', message: `\`nested: ${nested}\` is not available in this version`, hint: 'use `nested: json`' });
    }
    const { tables = 'evolve', columns = 'evolve', types = 'widen' } = contractOf(shared.schema);
    return {
      naming: shared.normalize?.names ?? 'as_is',
      contract: { tables, columns, types },
      errors: this.#errors(shared.errors, [...this.#pathOf(raw, path, 'errors'), 'max_bad']),
      badText: shared.errors?.bad_text ?? 'quarantine',
      deletes: shared.deletes ?? 'hard',
      unavailable: shared.unavailable ?? 'error',
      addedColumns: shared.add_columns ?? [],
      shared: shared.shared === 'append',
    };
  }

  #errors(raw: RawShared['errors'], path: Path): ResolvedStream['errors'] {
    const badRows = raw?.bad_rows ?? 'quarantine';
    if (raw?.max_bad === undefined) return { badRows, maxBadRatio: DEFAULTS.maxBadRatio };
    const tolerance = parseTolerance(raw.max_bad);
    if (tolerance === undefined) {
      this.#diagnostics.report(path, { code: 'ETL-JOB-029', message: `\`${raw.max_bad}\` is not a tolerance`, hint: 'write a share of the rows, 0.1%, or a number of them, 100' });
      return { badRows };
    }
    return { badRows, ...('ratio' in tolerance ? { maxBadRatio: tolerance.ratio } : { maxBadRows: tolerance.rows }) };
  }

  #checks(raw: readonly string[], path: Path): { checks: readonly RowCheck[]; rowCount?: { min?: number; max?: number } } {
    const checks: RowCheck[] = [];
    let rowCount: { min?: number; max?: number } | undefined;
    for (const [index, text] of raw.entries()) {
      const parsed = parseCheck(text);
      if ('problem' in parsed) this.#diagnostics.report([...path, index], { code: 'ETL-JOB-028', message: parsed.problem, hint: `checks: ${CHECK_FORMS}` });
      else if ('row' in parsed) checks.push(parsed.row);
      else rowCount = { ...rowCount, ...parsed.count };
    }
    return { checks, ...(rowCount ? { rowCount } : {}) };
  }

  /** The stream's target over the job's; options belong to one destination and are not carried to another. */
  #target(own: string | RawTarget | undefined, path: Path): ResolvedTarget {
    const base = asTarget(this.input.raw.target);
    const mine = asTarget(own);
    const use = mine.use ?? base.use;
    const where = mine.use === undefined ? ['target'] : [...path, 'target'];
    if (use === undefined) {
      this.#diagnostics.report(this.input.raw.target === undefined ? path : ['target'], { code: 'ETL-JOB-004', message: '`target` is missing: nothing says where the rows go', hint: 'write `target: name-of-a-connection`', at: 'key' });
      return { use: '', options: {} };
    }
    if (!this.input.document.open.has(pathKey(where))) requireConnection(use, where, this.connections, this.#diagnostics);
    const { use: _, schema, table, ...options } = mine.use === undefined || mine.use === base.use ? { ...base, ...mine } : mine;
    const named = own === undefined ? ['target'] : [...path, 'target'];
    for (const [key, name] of Object.entries({ schema, table })) this.#template(name, [...named, key]);
    return { use, ...(schema === undefined ? {} : { schema }), ...(table === undefined ? {} : { table }), options: Object.fromEntries(Object.entries(options).map(([name, value]) => [name, toJson(value as never)])) };
  }

  #template(text: string | undefined, path: Path): void {
    const unknown = /\{(?!schema\}|stream\})[^}]*\}/.exec(text ?? '');
    if (unknown) this.#diagnostics.report(path, { code: 'ETL-JOB-039', message: `\`${unknown[0]}\` is not known in a target's name`, hint: 'use {stream} and {schema}' });
  }
}

function asTarget(target: string | RawTarget | undefined): RawTarget {
  return typeof target === 'string' ? { use: target } : (target ?? {});
}

function keyOf(raw: RawShared['key']): ResolvedStream['key'] {
  if (raw === undefined) return undefined;
  if (typeof raw === 'string') return { columns: [raw], immutable: false };
  if (Array.isArray(raw)) return { columns: raw, immutable: false };
  return { columns: typeof raw.columns === 'string' ? [raw.columns] : raw.columns, immutable: raw.immutable ?? false };
}

type Contract = Exclude<RawShared['schema'], string | undefined>;

function contractOf(raw: RawShared['schema']): Contract {
  if (raw === undefined) return {};
  if (raw === 'evolve') return { tables: 'evolve', columns: 'evolve', types: 'widen' };
  return raw === 'freeze' ? { tables: 'freeze', columns: 'freeze', types: 'freeze' } : raw;
}

/** True when every name that `pattern` can match is matched by `cover`. */
function covers(cover: string, pattern: string): boolean {
  return new RegExp(`^${cover.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's').test(pattern);
}
