// Counts and moves over text vectors. Offsets are i32, n + 1 of them.

/** Adds `by` to n offsets. */
export function shiftOffsets(offsets: usize, n: i32, by: i32): void {
  for (let i = 0; i < n; i++) store<i32>(offsets + (<usize>i << 2), load<i32>(offsets + (<usize>i << 2)) + by);
}
