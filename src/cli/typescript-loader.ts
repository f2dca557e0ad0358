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
  const { code } = amaro.transformSync(await readFile(fileURLToPath(url), 'utf8'), { mode: 'strip-only' });
  return { format: 'module', source: code, shortCircuit: true };
};
