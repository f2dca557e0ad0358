import { register } from 'node:module';

let ready = false;

/**
 * Lets this process import connectors that a job keeps in files: `import … from 'etl'` finds this package wherever the file lies,
 * and `.ts` is stripped where Node does not do it itself.
 */
export function acceptConnectorFiles(): void {
  if (ready) return;
  ready = true;
  const typescript: unknown = Reflect.get(process.features, 'typescript');
  const strips = typescript !== undefined && typescript !== false;
  register(new URL(import.meta.url.endsWith('.ts') ? './typescript-loader.ts' : './typescript-loader.js', import.meta.url), {
    data: { strip: !strips, root: new URL('../../', import.meta.url).href },
  });
}
