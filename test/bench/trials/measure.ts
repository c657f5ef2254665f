import { setImmediate } from 'node:timers/promises';

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export const now = () => performance.now() * 1e6;

/** Nanoseconds per operation of `batches` batches; `work` does `count` operations. One batch before them is not counted. */
export function measure(batches: number, count: number, work: (count: number) => void): number[] {
  work(count);
  return Array.from({ length: batches }, () => {
    const start = now();
    work(count);
    return (now() - start) / count;
  });
}

/** As measure(), and each batch also pays for the finalizers of what it left behind, which Node runs between turns. */
export async function measureWithCleanup(
  batches: number,
  count: number,
  work: (count: number) => void,
): Promise<number[]> {
  const samples: number[] = [];
  for (let batch = 0; batch <= batches; batch++) {
    const start = now();
    work(count);
    await setImmediate();
    if (batch > 0) samples.push((now() - start) / count);
  }
  return samples;
}

/** What a trial hands to the runner. */
export function report(series: Record<string, number[]>): void {
  console.log(JSON.stringify(series));
}

/** As measure(), for work that waits. */
export async function measureAsync(
  batches: number,
  count: number,
  work: (count: number) => Promise<void>,
): Promise<number[]> {
  const samples: number[] = [];
  for (let batch = 0; batch <= batches; batch++) {
    const start = now();
    await work(count);
    if (batch > 0) samples.push((now() - start) / count);
  }
  return samples;
}
