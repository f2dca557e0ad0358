/** Kernels of normalisation: bad text and hashes. */
export interface NormalizeKernels {
  /** Sets marks[i] to 1 for each value with a NUL or invalid UTF-8 (in JSON also \u0000); returns how many. Marks are undefined when it is 0. */
  scanText(data: number, offsets: number, count: number, json: number, marks: number): number;
  /** The states of HMAC-SHA-256 after a key of at most 64 bytes: 32 bytes at `inner`, 32 at `outer`. */
  hmacStates(key: number, length: number, inner: number, outer: number): void;
  /** 64 hexadecimal digits for tag and value of each present value, one after the other at `to`; sets `toOffsets`. */
  hmacHex(
    data: number, offsets: number, validity: number, count: number, tag: number, inner: number, outer: number, to: number, toOffsets: number,
  ): void;
  /** Trims and lowers ASCII texts; returns the bytes at `to`, or -1 when a byte is not ASCII. */
  lowerAscii(data: number, offsets: number, count: number, to: number, toOffsets: number): number;
}
