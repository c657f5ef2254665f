/** What is kept under key `i`: every value differs, and tells at both ends which one it is. */
export function makeValue(i: number, size: number): Buffer {
  const value = Buffer.alloc(size, i & 255);
  value.writeUInt32LE(i, 0);
  value.writeUInt32LE(~i >>> 0, size - 4);
  return value;
}

/** Throws if these are not the bytes of key `i`. Looks at both ends alone, so that it costs the same for every size. */
export function check(bytes: Uint8Array, i: number, size: number): void {
  const last = size - 4;
  const ok =
    bytes.length === size &&
    (bytes[0]! | (bytes[1]! << 8)) === (i & 0xffff) &&
    (bytes[last]! | (bytes[last + 1]! << 8)) === (~i & 0xffff);
  if (!ok) throw new Error(`wrong bytes under key ${i}`);
}

const keys: string[] = [];
/** Each key is made once: making it is no part of a get. */
export const keyOf = (i: number) => (keys[i] ??= `key:${i}`);

/** How many values there are of a size: 32 MiB, or 4 MiB of the small ones. */
export const countOf = (size: number) => (size <= 1024 ? 4096 : Math.max(8, 2 ** 25 / size));

/** Keys by a Zipf law of exponent 1, the same for everybody with that seed. */
export function zipf(count: number, length: number, seed: number): Int32Array {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) sums[i] = sum += 1 / (i + 1);
  let state = seed >>> 0 || 1;
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const wanted = (state / 2 ** 32) * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}
