import { firstFreedAt } from '../latency.ts';
import { MIB, mib, quantile } from '../numbers.ts';
import { latencies, repeat, survivors } from './repeat.ts';
import type { Row, Scenario } from './scenario.ts';

const bar = 'p50 ≤ 15 ms, p99 ≤ 50 ms';

function row(what: string, measured: readonly number[], runs: number): Row {
  const crossed = `crossed in ${measured.length} of ${runs} runs`;
  if (measured.length === 0) return { what, bar, measured: crossed };
  const [p50, p99, most] = [0.5, 0.99, 1].map((part) => quantile(measured, part)) as [number, number, number];
  const numbers = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, at most ${most.toFixed(1)} ms`;
  return { what, bar, measured: `${numbers}; ${crossed}`, met: p50 <= 15 && p99 <= 50 };
}

/**
 * How long it takes from the watermark to the first byte freed. A neighbour at full speed is seen coming, and memory is freed before the
 * mark; so the one here takes its time: 25, 50, 100 or 200 MiB/s.
 */
export const crossing: Scenario = {
  name: 'crossing',
  async run(bench) {
    const outcomes = await repeat(bench, 'crossing', bench.runs(50), (seed) => ({
      neighbour: () => ({ take: 60 * MIB, rate: 25 * 2 ** (seed % 4) * MIB }),
      reclaimer: true,
    }));
    const lives = survivors('', outcomes);
    const freed = outcomes.map(firstFreedAt).filter((bytes) => bytes !== undefined);
    const slow = row(
      'from the watermark to the first byte freed, 25 to 200 MiB/s',
      latencies(outcomes),
      outcomes.length,
    );
    slow.measured += `; freed with ${mib(quantile(freed, 0.5))} available (median)`;
    return [
      { ...slow, met: slow.met !== false && lives.met!, failures: lives.failures! },
      ...(bench.watched > 0 ? [row('... at full speed', bench.latencies, bench.watched)] : []),
    ];
  },
};
