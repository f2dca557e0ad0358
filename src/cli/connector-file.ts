/** A connector that a job keeps in a file: what it must have, and its errors told as its own. */
import { basename, dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import * as z from 'zod';
import type { Connector } from '#sdk';
import { EtlError, type SourceLocation } from '../errors/error.ts';
import { ownStrays } from './strays.ts';
import { acceptConnectorFiles } from './typescript-files.ts';

const schema = z.custom<z.ZodType>((value) => typeof value === 'object' && value !== null && 'safeParse' in value, 'a zod schema is needed, such as z.strictObject({})');
const method = z.custom((value) => typeof value === 'function', 'a function is needed');
const role = { config: schema, secrets: z.array(z.string()), create: method };
const shape = z.object({
  name: z.string(), title: z.string(), errors: z.record(z.string(), z.object({ title: z.string(), text: z.string() })),
  source: z.object({ ...role, syncModes: z.array(z.string()) }).optional(),
  destination: z.object({ ...role, capabilities: method, targetOptions: schema }).optional(),
});

/** The connector that `file` exports, whose errors name it; `shown` is its name for people. */
export async function importConnector(file: string, shown: string): Promise<Connector> {
  acceptConnectorFiles();
  try {
    const module: unknown = await import(pathToFileURL(file).href);
    return connectorOf(typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined, file, shown);
  } catch (error) {
    throw error instanceof EtlError ? error : notLoaded(error, file, shown);
  }
}

function connectorOf(exported: unknown, file: string, shown: string): Connector {
  const checked = shape.safeParse(exported);
  if (isConnector(exported) && checked.success) return telling(exported, file, shown);
  const issue = isConnector(exported) ? checked.error?.issues[0] : undefined;
  throw new EtlError({
    kind: 'config', code: 'ETL-JOB-046', message: issue ? `${shown}: ${issue.path.join('.')}: ${issue.message}` : `${shown} exports no connector`,
    hint: issue ? 'docs/writing-connectors.md shows a whole connector' : 'export one as the default: `export default defineConnector({ … })`, with a source or a destination',
  });
}

function isConnector(value: unknown): value is Connector {
  return typeof value === 'object' && value !== null && ('source' in value || 'destination' in value);
}

/** Why a module could not be imported: with its line, where Node or the stripping of types knows it. */
function notLoaded(error: unknown, file: string, shown: string): EtlError {
  const place = placeIn(error, file);
  const [text = ''] = inWords(error).split(/ *,-\[/, 1);
  const line = /,-\[(\d+):/.exec(error instanceof Error ? error.message : '')?.[1];
  const where = place ? `${place.file}:${place.line}` : line === undefined ? shown : `${shown}:${line}`;
  return new EtlError({
    kind: 'config', code: 'ETL-JOB-046', message: text.includes(basename(file)) ? text : `${where}: ${text.trim()}`, cause: error,
    hint: hintFor(error, file, shown),
  });
}

function hintFor(error: unknown, file: string, shown: string): string {
  if (!(error instanceof SyntaxError)) return 'the file failed while it was imported: correct it there';
  return file.endsWith('ts') ? 'types are stripped, not compiled: no enums, no namespaces, no decorators' : `\`node --check ${shown}\` shows the line`;
}

interface Teller {
  blame(error: unknown, method: string): EtlError;
  /** Of each call that waits now: makes it throw. */
  readonly waiting: Set<(error: EtlError) => void>;
}

/** The same connector; what its methods throw is mapped by `classify`, or is an error of this file. */
function telling(connector: Connector, file: string, shown: string): Connector {
  const failed = (error: unknown, name: string): EtlError => {
    const location = placeIn(error, file);
    return new EtlError({
      kind: 'internal', code: 'ETL-SDK-004', message: `${shown}: ${name} threw ${inWords(error)}`, cause: error, ...(location && { location }),
      hint: 'This is an error of the connector, not of etl: --debug prints its stack. What a server or a person can mend is thrown as an EtlError with its kind.',
    });
  };
  const blame: Teller['blame'] = (error, name) => {
    if (error instanceof EtlError) return error;
    try {
      return connector.classify?.(error) ?? failed(error, name);
    } catch (failure) {
      return failed(failure, 'classify');
    }
  };
  const teller: Teller = { blame, waiting: new Set() };
  ownStrays((stray) => {
    if (!placeIn(stray, file)) return undefined;
    const error = failed(stray, 'code that no method waits for');
    const waiting = [...teller.waiting];
    for (const fail of waiting) fail(error);
    return waiting.length > 0 ? 'taken' : error;
  });
  const { source, destination } = connector;
  return {
    ...connector,
    ...(source && { source: relay(source, teller) }),
    ...(destination && { destination: relay(destination, teller) }),
  };
}

/** An object with the same members, whose methods throw what `blame` makes of an error. Not a view of the object itself, which may be frozen. */
function relay<T extends object>(port: T, teller: Teller): T {
  const get = (_: object, name: string | symbol): unknown => {
    const member: unknown = Reflect.get(port, name);
    if (typeof member !== 'function') return member;
    const shown = typeof name === 'string' ? name : name === Symbol.asyncDispose ? 'closing' : String(name);
    return (...args: unknown[]): unknown => called(() => Reflect.apply(member, port, args), shown, teller);
  };
  return new Proxy<T>(Object.create(null) as T, { get, has: (_, name) => name in port });
}

function called(call: () => unknown, name: string, teller: Teller): unknown {
  try {
    const result = call();
    if (result instanceof Promise) return awaited(result, name, teller).then((value) => given(value, name, teller));
    return isIterable(result) ? each(result, name, teller) : result;
  } catch (error) {
    throw teller.blame(error, name);
  }
}

/** Not by Promise.race: what lives as long as the connector would keep each call. */
function awaited<T>(result: Promise<T>, name: string, { blame, waiting }: Teller): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.add(reject);
    result.then(resolve, (error: unknown) => { reject(blame(error, name)); }).finally(() => { waiting.delete(reject); });
  });
}

/** What a method gives may have methods of its own: a source, a destination, a run, a session. */
function given(value: unknown, name: string, teller: Teller): unknown {
  if (typeof value === 'object' && value !== null && Symbol.asyncDispose in value) return relay(value, teller);
  if (name !== 'create') return value;
  throw teller.blame(new TypeError(`it gave ${inspect(value, { depth: 0 })}, which is no source or destination (nothing to close it)`), name);
}

async function* each(messages: AsyncIterable<unknown>, name: string, teller: Teller): AsyncIterable<unknown> {
  const iterator = messages[Symbol.asyncIterator]();
  let over = true; // also when it throws: one that hangs would never answer `return`
  try {
    for (let step = await awaited(iterator.next(), name, teller); !step.done; step = await awaited(iterator.next(), name, teller)) {
      over = false;
      yield step.value;
      over = true;
    }
  } finally {
    if (!over && iterator.return) await awaited(iterator.return(), name, teller);
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** An error and its causes in one line: `fetch` says what went wrong only there. */
function inWords(error: unknown): string {
  const words: string[] = [];
  for (let current = error, depth = 0; depth === 0 || (current !== undefined && depth < 5); current = current instanceof Error ? current.cause : undefined, depth++) {
    words.push(wordsOf(current, depth > 0));
  }
  return words.join(': ').replaceAll(/\s*\n\s*/g, ' ');
}

function wordsOf(error: unknown, isCause: boolean): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : inspect(error, { depth: 1, breakLength: Infinity });
  const text = error.message || (error instanceof AggregateError ? error.errors.map((one) => wordsOf(one, true)).join(', ') : 'code' in error ? String(error.code) : '');
  return isCause && text !== '' ? text : `${error.name}${text && ': '}${text}`;
}

/** The first line of the stack that lies in the connector's folder. */
function placeIn(error: unknown, file: string): SourceLocation | undefined {
  if (!(error instanceof Error)) return undefined;
  const folder = pathToFileURL(dirname(file)).href;
  for (const [, url = '', line, column] of error.stack?.matchAll(/(file:\/\/[^\s()]+?):(\d+):(\d+)/g) ?? []) {
    if (url.startsWith(`${folder}/`) && !url.includes('/node_modules/')) return { file: fileURLToPath(url), line: Number(line), column: Number(column) };
  }
  return undefined;
}
