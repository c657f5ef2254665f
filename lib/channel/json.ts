import { types } from 'node:util';
import { AshmemError, show, typeError, valueError } from '../errors.ts';

/** Whatever JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What JSON.stringify would have dropped or changed, and where it is. */
interface Loss {
  path: string;
  value: unknown;
}

// Runs after JSON.stringify, so there are no cycles left to fall into. Paths are made on the way back, for a loss only.
function findLoss(value: unknown): Loss | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : { path: '', value };
    case 'object':
      break;
    default:
      return { path: '', value };
  }
  if (value === null || types.isBoxedPrimitive(value)) return undefined;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return undefined; // it chose its form itself
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const loss = findLoss(value[i]);
      if (loss) return { path: `[${i}]${loss.path}`, value: loss.value };
    }
    return undefined;
  }
  // What Maps, Sets, buffers, errors and promises hold is not in their properties.
  if (Object.prototype.toString.call(value) !== '[object Object]') return { path: '', value };
  for (const key of Object.keys(value)) {
    const loss = findLoss((value as Record<string, unknown>)[key]);
    if (loss) return { path: `.${key}${loss.path}`, value: loss.value };
  }
  return undefined;
}

function refuse(name: string, value: unknown, cause: unknown): unknown {
  // V8 throws for BigInts, cycles and depth. Anything else comes from a toJSON() or a getter of the caller: it is theirs.
  const text = cause instanceof Error ? cause.message : '';
  if (cause instanceof TypeError && text.includes('BigInt')) {
    return typeError(name, 'a JSON value, free of BigInts', value);
  }
  if (cause instanceof RangeError || (cause instanceof TypeError && text.includes('circular'))) {
    return valueError(name, 'a JSON value without cycles, and not nested too deep', value);
  }
  return cause;
}

/** The JSON text of `value`, called `name` in errors. Throws on what JSON would leave out or change: nothing is lost silently. */
export function encodeJson(value: unknown, name = 'message'): string {
  if (typeof value === 'string') return JSON.stringify(value);
  let text: string | undefined;
  let loss: Loss | undefined;
  try {
    text = JSON.stringify(value);
    loss = findLoss(value);
  } catch (error) {
    throw refuse(name, value, error);
  }
  if (loss && typeof loss.value === 'number') {
    throw valueError(`${name}${loss.path}`, 'a finite number (JSON has no other)', loss.value);
  }
  if (loss || text === undefined) {
    const expected = loss?.path || name !== 'message' ? 'a JSON value' : 'a JSON value or a Uint8Array';
    throw typeError(`${name}${loss?.path ?? ''}`, expected, loss ? loss.value : value);
  }
  return text;
}

/** The value of a JSON text that a peer sent. */
export function decodeJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new AshmemError('ERR_BAD_MESSAGE', `the message is not valid JSON: ${show(text)}`, { cause });
  }
}
