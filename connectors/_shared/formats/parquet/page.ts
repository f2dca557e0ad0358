import { viewBytes } from '#batch';
import { kernels } from '#kernels';

export const Encoding = { PLAIN: 0, RLE: 3, RLE_DICTIONARY: 8 } as const;
/** Room for a page's header. */
export const HEADER_BYTES = 64;

interface Page {
  readonly kind: 'data' | 'dictionary';
  readonly length: number;
  readonly packed: number;
  readonly values: number;
  readonly encoding: number;
}

/** A page's header, written to `address`. */
export function pageHeader({ kind, length, packed, values, encoding }: Page, address: number): Uint8Array {
  return viewBytes(address, kernels().pqPageHeader(kind === 'data' ? 0 : 2, length, packed, values, encoding, address) - address);
}
