import type { NativeVerdict } from '../../lib/pressure/native-types.ts';

/** A verdict as the addon would give it: of level medium, of which regions have given nothing, now. */
export function verdict(change: Partial<NativeVerdict> = {}): NativeVerdict {
  return {
    level: 2,
    source: 'meminfo',
    available: 0,
    wanted: 0,
    remaining: 0,
    exhausted: 7,
    freedCheap: 0,
    freedNormal: 0,
    freedPrecious: 0,
    unmet: 0,
    at: Number(process.hrtime.bigint() / 1000n),
    ...change,
  };
}
