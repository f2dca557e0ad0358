import { viewBytes } from '#batch';
import { kernels } from '#kernels';
import { Region } from './region.ts';
import type { FormatOptions } from './contract.ts';

/** Compresses pages that lie in the linear memory. What it returns is valid until the next call. */
export interface Compressor {
  compress(address: number, length: number): Uint8Array;
  release(): void;
}

/** Loads what the compression needs. */
export async function compressorOf(name: FormatOptions['compression']): Promise<Compressor> {
  switch (name) {
    case 'none': return { compress: viewBytes, release: () => {} };
    case 'snappy': return new Snappy();
    case 'zstd': return zstd();
  }
}

/** Loaded once: a second `init` of the library gives its compressor memory that is in use. */
let library: Promise<(bytes: Uint8Array, level: number) => Uint8Array> | undefined;
async function loadZstd(): Promise<(bytes: Uint8Array, level: number) => Uint8Array> {
  const { compress, init } = await import('@bokuweb/zstd-wasm');
  await init();
  return compress;
}

/** Level 1: half of snappy's bytes at little more CPU. The same build on every Node, so that a file does not depend on the runtime. */
async function zstd(): Promise<Compressor> {
  library ??= loadZstd();
  const compress = await library;
  return { compress: (address, length) => compress(viewBytes(address, length), 1), release: () => {} };
}

/** In a kernel: no copy out of the linear memory, no native package, nothing for the garbage collector. */
class Snappy implements Compressor {
  private readonly table = new Region();
  private readonly out = new Region();

  compress(address: number, length: number): Uint8Array {
    const out = this.out.ensure(32 + length + Math.ceil(length / 6));
    const end = kernels().snappy(address, length, out, this.table.ensure(32 * 1024));
    return viewBytes(out, end - out);
  }

  release(): void {
    this.table.release();
    this.out.release();
  }
}
