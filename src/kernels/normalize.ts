/** Kernels of normalisation: bad text. */
export interface NormalizeKernels {
  /** Sets marks[i] to 1 for each value with a NUL or invalid UTF-8 (in JSON also \u0000); returns how many. Marks are undefined when it is 0. */
  scanText(data: number, offsets: number, count: number, json: boolean, marks: number): number;
}
