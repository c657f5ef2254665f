export const MIB = 2 ** 20;

export const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;

/** The smallest of the numbers below which, or at which, `part` of them lie; NaN if there are none. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (numbers: readonly number[]) => quantile(numbers, 0.5);
