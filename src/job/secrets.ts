import type { Path } from './diagnostics.ts';
import { pathKey, type JobDocument } from './document.ts';
import { HIDDEN } from './interpolate.ts';

const SECRET_KEY = /pass|pwd|secret|token|credential|private|(?:^|[-_])key$|api-?key/i;

/** A setting of a connection that is called like a secret, or the key of a hash. A stream's `key` names columns, and a column may have any name. */
export function isSecretPath(path: Path): boolean {
  const last = String(path.at(-1)).replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_');
  return path[0] === 'connections' ? path.length > 2 && SECRET_KEY.test(last) : last === 'key' && path.at(-3) === 'columns';
}

/** The password in a URL. */
export function passwordOf(url: string): string | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*?:([^/?#]*)@/i.exec(url) ?? /^[a-z][a-z0-9+.-]*:.*[?&]password=([^&#]+)/i.exec(url);
  const password = match?.[1];
  return password === undefined || password === '' ? undefined : password;
}

/** A value of the job for people: secrets are hidden by their place, since the redactor lets short ones pass. `declared`: what connectors call one. */
export function shownValue(value: unknown, path: Path, { document, declared }: { readonly document: JobDocument; readonly declared: ReadonlySet<string> }): unknown {
  if (Array.isArray(value)) return value.map((inner: unknown, index) => shownValue(inner, [...path, index], { document, declared }));
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shownValue(inner, [...path, key], { document, declared })]));
  if (value === null || value === '' || typeof value === 'boolean') return value;
  if (isSecretPath(path) || declared.has(pathKey(path))) return HIDDEN;
  const shown = document.shown.get(pathKey(path)) ?? value;
  const password = typeof shown === 'string' ? passwordOf(shown) : undefined;
  return typeof shown === 'string' && password !== undefined ? shown.replace(`:${password}@`, `:${HIDDEN}@`).replace(`password=${password}`, `password=${HIDDEN}`) : shown;
}
