import { object } from '../arguments.ts';
import { rangeError, show, typeError, valueError } from '../errors.ts';

/** A source of memory pressure. probe().pressure tells which work here, docs/pressure.md what each is good for. */
export type PressureSource =
  | 'cgroup-v2'
  | 'cgroup-v1'
  | 'psi'
  | 'meminfo'
  | 'major-faults'
  | 'ashmem'
  | 'service-manager';

/**
 * How much must stay available: less than this begins the level. A number below 1 is a part of the limit (of each cgroup, of the machine's
 * memory), a whole number from 1 on is bytes. Must not rise from `low` to `critical`.
 */
export interface Watermarks {
  low?: number;
  medium?: number;
  critical?: number;
}

export interface PressureOptions {
  /** The sources to hear. Default: all that work here. One that does not work here says nothing. */
  sources?: readonly PressureSource[];
  /** Default: for each limit `medium` is a sixteenth, but at least 16 MiB (an eighth of a small limit) and at most 256 MiB; `low` twice, `critical` half of it. */
  watermarks?: Watermarks;
}

const marks = ['low', 'medium', 'critical'] as const;

function sourceBits(value: unknown, known: readonly string[]): number {
  if (value === undefined) return 2 ** known.length - 1;
  if (!Array.isArray(value)) throw typeError('sources', 'an array', value);
  if (value.length === 0) throw valueError('sources', 'at least one', value);
  let bits = 0;
  for (const name of value) {
    if (typeof name !== 'string') throw typeError('sources', 'an array of strings', name);
    const index = known.indexOf(name);
    if (index < 0) throw valueError('sources', `of ${known.join(', ')}`, name);
    bits |= 1 << index;
  }
  return bits;
}

function mark(name: string, value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number') throw typeError(name, 'a number', value);
  const part = value > 0 && value < 1;
  const bytes = Number.isSafeInteger(value) && value >= 1;
  if (!part && !bytes) {
    throw rangeError(`${name} must be a part below 1, or a whole number of bytes, received ${show(value)}`);
  }
  return value;
}

/** Of parts and of bytes: which of the two can be compared is known only with the limit at hand. */
const comparable = (a: number, b: number) => a !== 0 && b !== 0 && a < 1 === b < 1;

/** Checked options of PressureMonitor.start(), as the addon wants them. */
export function pressureOptions(options: unknown, known: readonly string[]) {
  const o = object('options', options === undefined ? {} : options);
  const given = object('watermarks', o.watermarks === undefined ? {} : o.watermarks);
  const sources = sourceBits(o.sources, known);
  const values = marks.map((name) => mark(`watermarks.${name}`, given[name]));
  for (const [i, high] of values.entries()) {
    for (const [j, value] of values.entries()) {
      if (j <= i || !comparable(high, value) || value <= high) continue;
      throw rangeError(
        `watermarks.${marks[j]} must not be above watermarks.${marks[i]} (${high}), received ${value}`,
      );
    }
  }
  const [low, medium, critical] = values as [number, number, number];
  return { sources, low, medium, critical };
}
