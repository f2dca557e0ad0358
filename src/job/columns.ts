import { createHash } from 'node:crypto';
import type { ColumnRule, HashRule, MaskRule } from '../normalize/spec.ts';
import { CAST_NAMES, parseCast } from './casts.ts';
import type { Diagnostics, Path } from './diagnostics.ts';
import { suggest } from './diagnostics.ts';
import type { RawColumn, RawColumnObject } from './schema.ts';

export interface ColumnRules {
  readonly columns: Readonly<Record<string, ColumnRule>>;
  readonly others: 'keep' | 'drop';
}

export interface ColumnContext {
  readonly diagnostics: Diagnostics;
  /** The value at this path is not known (a variable is missing in lint). */
  isOpen(path: Path): boolean;
}

/** Reads `columns:` of one stream. A rule that can't be honoured whole is refused: masking fails closed. */
export function columnRules(raw: Readonly<Record<string, RawColumn>>, path: Path, context: ColumnContext): ColumnRules {
  const columns: Record<string, ColumnRule> = {};
  let others: 'keep' | 'drop' = 'keep';
  for (const [name, spec] of Object.entries(raw)) {
    const at = [...path, name];
    if (name === '*') {
      if (typeof spec === 'string') others = spec;
      else context.diagnostics.report(at, { code: 'ETL-JOB-050', message: '`"*"` stands for all columns without a rule: it can be `drop` or `keep`', hint: 'write the rule under the name of each column' });
    } else if (name.includes('*')) {
      context.diagnostics.report(at, { code: 'ETL-JOB-050', message: `\`${name}\`: a rule names one column, or all others with \`"*"\``, hint: 'write one rule for each column', at: 'key' });
    } else {
      columns[name] = spec === 'keep' ? {} : spec === 'drop' ? { drop: true } : columnRule(spec, at, context);
    }
  }
  return { columns, others };
}

function columnRule(spec: RawColumnObject, path: Path, context: ColumnContext): ColumnRule {
  const given = (['drop', 'hash', 'mask', 'redact', 'truncate'] as const).filter((name) => spec[name] !== undefined);
  if (given.length > 1) {
    context.diagnostics.report(path, { code: 'ETL-JOB-050', message: `${given.map((name) => `\`${name}\``).join(' and ')} exclude each other`, hint: 'keep one of them' });
  }
  if (spec.expr !== undefined) {
    context.diagnostics.report([...path, 'expr'], { code: 'ETL-JOB-020', kind: 'unsupported', message: '`expr` is not available in this version', hint: 'compute the column in a `query:` of the stream', at: 'key' });
  }
  const hash = hashRule(spec, path, context);
  const cast = castOf(spec, path, context.diagnostics);
  return {
    ...(spec.drop ? { drop: true as const } : {}),
    ...(spec.rename === undefined ? {} : { rename: spec.rename }),
    ...(cast === undefined ? {} : { cast }),
    ...(hash === undefined ? {} : { hash }),
    ...(spec.mask === undefined ? {} : { mask: maskRule(spec.mask) }),
    ...(spec.redact === undefined ? {} : { redact: spec.redact }),
    ...(spec.truncate === undefined ? {} : { truncate: Number(spec.truncate) }),
  };
}

function castOf(spec: RawColumnObject, path: Path, diagnostics: Diagnostics): ColumnRule['cast'] {
  const text = spec.type ?? spec.cast;
  if (text === undefined) return undefined;
  const cast = parseCast(text);
  if (cast === undefined) {
    diagnostics.report([...path, spec.type === undefined ? 'cast' : 'type'], { code: 'ETL-JOB-030', message: `\`${text}\` is not a type`, hint: suggest(text, CAST_NAMES, 'types') });
  }
  return cast;
}

function maskRule(mask: NonNullable<RawColumnObject['mask']>): MaskRule {
  if (mask === true) return { keepFirst: 0, keepLast: 0, with: '*' };
  return { keepFirst: Number(mask.keep_first ?? 0), keepLast: Number(mask.keep_last ?? 0), with: mask.with ?? '*' };
}

const MIN_KEY_BYTES = 16;

function hashRule(spec: RawColumnObject, path: Path, context: ColumnContext): HashRule | undefined {
  if (spec.hash === undefined) {
    const stray = (['key', 'key_id', 'domain', 'normalizer'] as const).find((name) => spec[name] !== undefined);
    if (stray !== undefined) context.diagnostics.report([...path, stray], { code: 'ETL-JOB-050', message: `\`${stray}\` belongs to \`hash\`, which is missing`, hint: 'write hash: hmac-sha256', at: 'key' });
    return undefined;
  }
  const keyPath = [...path, 'key'];
  if (spec.key === undefined || spec.key === '') {
    if (!context.isOpen(keyPath)) {
      context.diagnostics.report(path, { code: 'ETL-JOB-041', message: '`hash` needs a `key`: a digest without one can be turned back with a dictionary', hint: 'make one: openssl rand -hex 32 > keys/pii, then key: "${file:keys/pii}"' });
    }
    return undefined;
  }
  const master = Buffer.from(spec.key, 'utf8');
  if (master.length < MIN_KEY_BYTES) {
    context.diagnostics.report(keyPath, { code: 'ETL-JOB-041', message: `the key of a hash has at least ${MIN_KEY_BYTES} bytes, this one has ${master.length}`, hint: 'make one: openssl rand -hex 32 > keys/pii' });
    return undefined;
  }
  // A fingerprint is public: it says which key made a digest, and nothing about the key.
  const id = spec.key_id ?? createHash('sha256').update('etl key id\0').update(master).digest('hex').slice(0, 12);
  return {
    method: 'hmac-sha256',
    key: { id, master },
    ...(spec.domain === undefined ? {} : { domain: spec.domain }),
    ...(spec.normalizer === undefined ? {} : { normalizer: spec.normalizer }),
  };
}
