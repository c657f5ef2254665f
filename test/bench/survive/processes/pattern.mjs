/** The 32-bit word of which a unit of a region is full; never 0, as lost bytes are. */
export function word(seed, region, unit) {
  return (Math.imul(seed + 1, 0x9e3779b1) ^ (region << 24) ^ unit) | 0x80000000 | 0;
}

/** Writes their words to the units of `bytes`, the first of which is `unit`. */
export function fill(bytes, granularity, seed, region, unit = 0) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const each = granularity / 4;
  for (let at = 0; at < words.length; at += each) {
    words.fill(word(seed, region, unit++), at, at + each);
  }
}

/** How many units have anything else in them. */
export function spoilt(bytes, granularity, seed, region, unit = 0) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const each = granularity / 4;
  let count = 0;
  for (let at = 0; at < words.length; at += each) {
    const expected = word(seed, region, unit++);
    let i = at;
    while (i < at + each && words[i] === expected) i++;
    if (i < at + each) count++;
  }
  return count;
}
