import { readFileSync } from 'node:fs';
import { linearMemory } from '../batch/memory.ts';
import type { DuckdbKernels } from './duckdb.ts';
import type { CopyBinaryKernels } from './copy-binary.ts';
import type { CopyWriteKernels } from './copy-write.ts';
import type { NormalizeKernels } from './normalize.ts';
import type { JsonlKernels } from './jsonl.ts';
import type { ParquetKernels } from './parquet.ts';

export * from './copy-binary.ts';

/** Addresses are byte offsets in the linear memory. Each group of kernels declares its own part. */
export interface TextKernels {
  shiftOffsets(offsets: number, count: number, by: number): void;
}
export type Kernels = TextKernels & CopyBinaryKernels & CopyWriteKernels & NormalizeKernels & ParquetKernels & JsonlKernels & DuckdbKernels;

function abort(): never {
  throw new Error('a kernel stopped');
}

let instance: Kernels | undefined;

/** The compiled kernels; loaded at the first call, so that a command that moves no data doesn't pay for them. */
export function kernels(): Kernels {
  if (instance) return instance;
  const module = new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  const loaded = new WebAssembly.Instance(module, { env: { memory: linearMemory, abort } });
  instance = loaded.exports as unknown as Kernels;
  return instance;
}
