import { typeError, valueError } from '../errors.ts';

/** What goes first when memory is short: all that is cheap, of all regions, then what is normal, then what is precious. */
export type Priority = 'cheap' | 'normal' | 'precious';

/** In the order in which they go. */
export const priorities: readonly Priority[] = ['cheap', 'normal', 'precious'];

/** The order of `enum class Priority` in native/core/region.h. */
const numbers: readonly Priority[] = ['normal', 'cheap', 'precious'];

/** `value`, if it is a priority. */
export function checkPriority(name: string, value: unknown): Priority {
  if (typeof value !== 'string') throw typeError(name, 'a string', value);
  if (!(priorities as readonly string[]).includes(value)) {
    throw valueError(name, `one of ${priorities.join(', ')}`, value);
  }
  return value as Priority;
}

export function priorityOf(number: number): Priority {
  return numbers[number] ?? 'normal';
}

export function priorityNumber(priority: Priority): number {
  return numbers.indexOf(priority);
}
