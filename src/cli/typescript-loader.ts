/** Runs in Node's loader thread: see typescript-files.ts. */
import { readFile } from 'node:fs/promises';
import type { LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';

const STRIPPER: string = 'amaro';
const settings = { strip: false, root: '' };

export function initialize(data: { strip: boolean; root: string }): void {
  Object.assign(settings, data);
}

const OWN: Readonly<Record<string, string>> = { etl: 'src/sdk/etl.js', 'etl/testing': 'src/sdk/testing/index.js' };

export const resolve: ResolveHook = (specifier, context, next) => {
  const own = Object.hasOwn(OWN, specifier) ? OWN[specifier] : undefined;
  return own === undefined ? next(specifier, context) : { url: new URL(own, settings.root).href, shortCircuit: true };
};

export const load: LoadHook = async (url, context, next) => {
  if (!settings.strip || !/^file:.*\.m?ts$/.test(url)) return next(url, context);
  // amaro ships no types: this is the one call of it.
  const amaro: { transformSync(source: string, options: { mode: 'strip-only' }): { code: string } } = await import(STRIPPER);
  const source = await readFile(fileURLToPath(url), 'utf8');
  try {
    return { format: 'module', source: amaro.transformSync(source, { mode: 'strip-only' }).code, shortCircuit: true };
  } catch (error) {
    throw refusal(error, fileURLToPath(url));
  }
};

/** amaro throws objects that are no errors; the first line of their text, and the line in `,-[3:1]`, are what a person needs. */
function refusal(error: unknown, file: string): SyntaxError {
  const text = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  const line = /,-\[(\d+):/.exec(text)?.[1] ?? '1';
  return new SyntaxError(`${file}:${line}: ${(text.split('\n', 1)[0] ?? '').replace(/^ *x */, '')}`);
}
