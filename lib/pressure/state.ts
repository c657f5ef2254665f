import type { NativeVerdict } from './native-types.ts';

/** How short memory is; docs/pressure.md tells what each asks for. */
export type PressureLevel = 'none' | 'low' | 'medium' | 'critical';

/** What the sources say of memory at one moment. */
export interface PressureState {
  level: PressureLevel;
  /** The source that says so: a name of probe().pressure, 'signal' for a shrink signal, '' at level 'none'. */
  source: string;
  /** Bytes that can still be used before the tightest limit strikes. Undefined if none of the sources counts bytes. */
  available: number | undefined;
  /** Bytes to free to be out of danger again; 0 at 'none' and 'low'. */
  wanted: number;
}

/** The order of `enum class Level` in native/core/pressure/gauge.h. */
export const levels: readonly PressureLevel[] = ['none', 'low', 'medium', 'critical'];

export function levelOf(verdict: { level: number }): PressureLevel {
  return levels[verdict.level] ?? 'none';
}

export function stateOf(verdict: NativeVerdict): PressureState {
  return {
    level: levelOf(verdict),
    source: verdict.source,
    available: verdict.available,
    wanted: verdict.wanted,
  };
}
