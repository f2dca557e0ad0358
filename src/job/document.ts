import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document as YamlDocument, type Node, type Pair, type ParsedNode, type YAMLMap } from 'yaml';
import type { SourceLocation } from '../errors/error.ts';
import { type Diagnostics, type Path, showPath } from './diagnostics.ts';
import { interpolate, type Interpolation } from './interpolate.ts';

export type Value = null | boolean | number | bigint | string | Value[] | { [key: string]: Value };

/** A YAML file as data, with the place of every key and value. */
export interface JobDocument {
  readonly file: string;
  readonly value: Value;
  /** Values that hold something interpolated: never repeated in a message. */
  readonly filled: ReadonlySet<string>;
  /** For people: filled texts without their secrets. */
  readonly shown: ReadonlyMap<string, string>;
  /** Values of which a variable is missing (lint only): nothing is known about them. */
  readonly open: ReadonlySet<string>;
  locate(path: Path, at: 'key' | 'value'): SourceLocation | undefined;
}

const MAX_ALIASES = 100;
const MAX_DEPTH = 64;
/** Keys that turn into a prototype when somebody assigns them. */
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export function pathKey(path: Path): string {
  return path.join('\u0000');
}

/** Reads the text, reports what is wrong into `diagnostics`, and fills `${…}` in its scalars. */
export function readDocument(file: string, text: string, diagnostics: Diagnostics, interpolation: Interpolation): JobDocument | undefined {
  const lines = new LineCounter();
  const parsed = parseDocument(text, { version: '1.2', intAsBigInt: true, lineCounter: lines, prettyErrors: false, stringKeys: false, logLevel: 'error' });
  const place = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  for (const error of parsed.errors) {
    const duplicate = error.code === 'DUPLICATE_KEY';
    const several = error.code === 'MULTIPLE_DOCS';
    diagnostics.add({
      severity: 'error', kind: 'config', code: duplicate ? 'ETL-JOB-007' : several ? 'ETL-JOB-014' : 'ETL-JOB-001',
      message: duplicate ? 'this key stands twice in the same mapping' : several ? 'a job file holds one YAML document' : `not YAML: ${firstLine(error.message)}`,
      hint: duplicate ? 'keep one of them' : several ? 'put the second document into a file of its own' : yamlHint(error.code),
      location: place(error.pos[0]),
    });
  }
  if (parsed.errors.length > 0) return undefined;
  const reader = new Reader(parsed, place, diagnostics, interpolation);
  const value = reader.read(parsed.contents, [], 0);
  if (reader.isBomb) return undefined;
  const positions = reader.positions;
  const locate = (path: Path, at: 'key' | 'value'): SourceLocation => {
    for (let length = path.length; length > 0; length--) {
      const found = positions.get(pathKey(path.slice(0, length)));
      // Above the path itself the key names it better than its value.
      if (found) return at === 'value' && length === path.length ? found.value : found.key;
    }
    return positions.get('')?.value ?? { file, line: 1, column: 1 };
  };
  return { file, value, filled: reader.filled, shown: reader.shown, open: reader.open, locate };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

function yamlHint(code: string): string {
  if (code === 'TAB_AS_INDENT') return 'indent with blanks, not with tabs';
  if (code === 'BAD_INDENT' || code === 'MISSING_CHAR') return 'check the indentation, the colon and the quotes of this line';
  if (code === 'BAD_ALIAS') return 'an alias names an anchor that stands before it';
  return 'quote text that holds : # { } [ ] , & * or begins with @ or `';
}

class Reader {
  readonly positions = new Map<string, { key: SourceLocation; value: SourceLocation }>();
  readonly filled = new Set<string>();
  readonly shown = new Map<string, string>();
  readonly open = new Set<string>();
  #aliases = 0;

  /** Nothing that such a file says is worth another word. */
  get isBomb(): boolean {
    return this.#aliases > MAX_ALIASES;
  }

  constructor(
    private readonly document: YamlDocument.Parsed<ParsedNode>,
    private readonly place: (offset: number) => SourceLocation,
    private readonly diagnostics: Diagnostics,
    private readonly interpolation: Interpolation,
  ) {}

  read(node: Node | null | undefined, path: Path, depth: number): Value {
    if (node === null || node === undefined) return null;
    this.#mark(path, node.range?.[0] ?? 0);
    if (depth > MAX_DEPTH) return this.#refuse(node, 'ETL-JOB-006', `nested deeper than ${MAX_DEPTH} levels`, 'a job is flat; is an alias inside its own anchor?');
    if (isAlias(node)) return this.#alias(node, path, depth);
    if (isMap(node)) return this.#map(node, path, depth);
    if (isSeq(node)) return node.items.map((item, index) => this.read(item as Node, [...path, index], depth + 1));
    return isScalar(node) ? this.#scalar(node.value, node.source, path) : null;
  }

  #mark(path: Path, offset: number): void {
    const value = this.place(offset);
    const known = this.positions.get(pathKey(path));
    this.positions.set(pathKey(path), { key: known?.key ?? value, value });
  }

  #refuse(node: Node, code: string, message: string, hint: string): null {
    this.diagnostics.add({ severity: 'error', kind: 'config', code, message, hint, location: this.place(node.range?.[0] ?? 0) });
    return null;
  }

  #alias(node: Node, path: Path, depth: number): Value {
    if (++this.#aliases > MAX_ALIASES) {
      if (this.#aliases === MAX_ALIASES + 1) this.#refuse(node, 'ETL-JOB-006', `more than ${MAX_ALIASES} aliases`, 'use `defaults:` for what streams have in common');
      return null;
    }
    const target = isAlias(node) ? node.resolve(this.document) : undefined;
    return this.read(target, path, depth + 1);
  }

  #map(node: YAMLMap, path: Path, depth: number): Value {
    const result: { [key: string]: Value } = Object.create(null);
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const key = isScalar(pair.key) ? String(pair.key.value ?? pair.key.source ?? '') : undefined;
      if (key === undefined) {
        this.#refuse(pair.key, 'ETL-JOB-003', 'a key must be plain text', 'write the key as text before its colon');
        continue;
      }
      if (REFUSED_KEYS.has(key)) {
        this.#refuse(pair.key, 'ETL-JOB-005', `the key \`${key}\` is refused`, 'no stream, column or option can have this name in a job');
        continue;
      }
      if (key === '<<') {
        this.#refuse(pair.key, 'ETL-JOB-002', 'unknown key `<<`: YAML 1.2 has no merge keys', 'use `defaults:` for what streams have in common');
        continue;
      }
      const below = [...path, key];
      const at = this.place(pair.key.range?.[0] ?? 0);
      this.positions.set(pathKey(below), { key: at, value: at });
      result[key] = this.read(pair.value, below, depth + 1);
    }
    return result;
  }

  #scalar(value: unknown, source: string | undefined, path: Path): Value {
    if (typeof value === 'string') return this.#text(value, path);
    if (typeof value === 'bigint') return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
    // A double holds 15 digits for certain: longer ones stay the text that was written.
    if (typeof value === 'number') return source !== undefined && source.replace(/\D/g, '').length > 15 ? source : value;
    return typeof value === 'boolean' ? value : null;
  }

  #text(value: string, path: Path): Value {
    const done = interpolate(value, this.interpolation);
    for (const complaint of done.complaints) {
      const location = this.positions.get(pathKey(path))?.value;
      this.diagnostics.add({
        severity: complaint.severity ?? 'error', kind: complaint.kind ?? 'config', code: complaint.code, message: complaint.message, path: showPath(path),
        ...(complaint.hint === undefined ? {} : { hint: complaint.hint }), ...(location ? { location } : {}),
      });
      // What could not be filled says so itself: no second complaint about its emptiness.
      this.open.add(pathKey(path));
    }
    if (done.changed) this.filled.add(pathKey(path));
    if (done.shown !== done.text) this.shown.set(pathKey(path), done.shown);
    if (done.open) this.open.add(pathKey(path));
    return done.text;
  }
}
