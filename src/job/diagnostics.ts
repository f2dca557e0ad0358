import { EtlError, type ErrorKind, type SourceLocation } from '../errors/error.ts';

export type Path = readonly (string | number)[];

/** One thing to say about a job file. Errors stop it; warnings are printed, and stop it under `lint --strict`. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly location?: SourceLocation;
  readonly path?: string;
}

export interface Complaint {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly kind?: ErrorKind;
  readonly severity?: 'error' | 'warning';
  /** Point at the key itself, not at its value. */
  readonly at?: 'key' | 'value';
}

/** Gives the place of a path in the file that it came from. */
export type Locate = (path: Path, at: 'key' | 'value') => SourceLocation | undefined;

/** Collects what is wrong with one job: all of it, so that a person mends a file in one go. */
export class Diagnostics {
  readonly list: Diagnostic[] = [];
  #locate: Locate = () => undefined;

  locateWith(locate: Locate): void {
    this.#locate = locate;
  }

  report(path: Path, complaint: Complaint): void {
    const location = this.#locate(path, complaint.at ?? 'value');
    this.add({
      severity: complaint.severity ?? 'error',
      kind: complaint.kind ?? 'config',
      code: complaint.code,
      message: complaint.message,
      hint: complaint.hint ?? 'docs/job.md lists what can stand here',
      ...(location === undefined ? {} : { location }),
      ...(path.length === 0 ? {} : { path: showPath(path) }),
    });
  }

  add(diagnostic: Diagnostic): void {
    const same = this.list.some((other) => other.code === diagnostic.code && other.message === diagnostic.message && other.path === diagnostic.path);
    if (!same) this.list.push(diagnostic);
  }

  get errors(): readonly Diagnostic[] {
    return this.list.filter((diagnostic) => diagnostic.severity === 'error');
  }

  /** In file order, as a person reads it. */
  sorted(): readonly Diagnostic[] {
    const place = (diagnostic: Diagnostic): number => (diagnostic.location ? diagnostic.location.line * 10_000 + diagnostic.location.column : -1);
    return this.list.toSorted((a, b) => place(a) - place(b));
  }
}

export function toError(diagnostic: Diagnostic): EtlError {
  return new EtlError({
    kind: diagnostic.kind,
    code: diagnostic.code,
    message: diagnostic.message,
    ...(diagnostic.hint === undefined ? {} : { hint: diagnostic.hint }),
    ...(diagnostic.location === undefined ? {} : { location: diagnostic.location }),
    ...(diagnostic.path === undefined ? {} : { configPath: diagnostic.path }),
  });
}

/** `streams."public.orders".columns.email` */
export function showPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += (text === '' ? '' : '.') + (/^[\w-]+$/.test(part) ? part : JSON.stringify(part));
  }
  return text;
}

/** Edit distance with swaps of neighbours as one step. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      row.push(best);
    }
  }
  return at(a.length, b.length);
}

/** The candidate that was probably meant, if one is near enough. */
export function didYouMean(given: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(given.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** "did you mean `x`?", or the list of what is possible where it is short. */
export function suggest(given: string, candidates: readonly string[], what: string): string | undefined {
  const near = didYouMean(given, candidates);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  if (candidates.length === 0) return undefined;
  return `${what}: ${candidates.join(', ')}`;
}
