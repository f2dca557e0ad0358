// `node --conditions=etl-source --import …/run-ts.mjs script.ts`: a child process of a test runs TypeScript as it lies there, without a build.
import { register } from 'node:module';

const hooks = `
import { readFile } from 'node:fs/promises';
import { transformWithOxc } from ${JSON.stringify(import.meta.resolve('vite'))};
const helper = 'data:text/javascript,' + encodeURIComponent(\`export default function () {
  const held = [];
  return { failed: false,
    a(value) { held.push(() => value?.[Symbol.asyncDispose]?.()); return value; },
    u(value) { held.push(() => value?.[Symbol.dispose]?.()); return value; },
    set e(error) { this.failed = true; this.error = error; },
    async d() { for (const end of held.reverse()) await end(); if (this.failed) throw this.error; } };
}\`);
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const { code } = await transformWithOxc(await readFile(new URL(url), 'utf8'), new URL(url).pathname, { target: 'es2022' });
  return { format: 'module', source: code.replaceAll('"@oxc-project/runtime/helpers/usingCtx"', JSON.stringify(helper)), shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
