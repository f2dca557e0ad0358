// Compiles the AssemblyScript kernels into one wasm file beside index.ts, and where tsc puts index.js.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const here = fileURLToPath(new URL('.', import.meta.url));
const files = new Map();
const { error, stderr } = await asc.main(
  ['as/index.ts', '--outFile', 'kernels.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--initialMemory', '16384',
    '--maximumMemory', '16384', '--memoryBase', '1024', '--enable', 'simd', '--baseDir', here],
  { writeFile: (name, contents) => void files.set(name, contents) },
);
if (error) {
  process.stderr.write(String(stderr));
  process.exit(1);
}
const wasm = files.get('kernels.wasm');
const built = fileURLToPath(new URL('../../dist/src/kernels/', import.meta.url));
mkdirSync(built, { recursive: true });
writeFileSync(new URL('kernels.wasm', import.meta.url), wasm);
writeFileSync(`${built}kernels.wasm`, wasm);
