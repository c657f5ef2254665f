import { rangeError, show, typeError } from './errors.ts';

/** `value`, if it is an integer within these bounds; else a TypeError or RangeError that names the parameter. */
export function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw typeError(name, 'a number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw rangeError(`${name} must be an integer from ${least} to ${most}, received ${show(value)}`);
  }
  return value;
}

/** `value`, if it is an object; else a TypeError that names the parameter. */
export function object(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw typeError(name, 'an object', value);
  return value as Record<string, unknown>;
}
