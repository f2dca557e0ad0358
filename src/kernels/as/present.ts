/** Whether row i has a value. `valid` is 0 when all have one. */
@inline export function present(valid: usize, i: i32): bool { return valid == 0 || load<u8>(valid + i) == 1; }
