import { integer, object } from '../arguments.ts';
import { rangeError, typeError, valueError } from '../errors.ts';

/** Which memory: see reclaim(). */
export type ReclaimKind = 'file' | 'anon' | 'all';

/** 'pageout': out of memory, now (MADV_PAGEOUT). 'cold': the first to go when memory gets short (MADV_COLD). */
export type ReclaimAdvice = 'pageout' | 'cold';

export interface ReclaimOptions {
  /** The first address, in the process, of a range to which to keep; a multiple of the page size. Default: 0. */
  start?: number;
  /** Bytes in that range, at least 1; the last page counts whole. Default: to the end of the address space. */
  length?: number;
  /** Default: 'pageout'. */
  advice?: ReclaimAdvice;
}

const kinds: readonly string[] = ['file', 'anon', 'all'];
const advices: readonly string[] = ['pageout', 'cold'];

function oneOf(name: string, value: unknown, allowed: readonly string[]): string {
  if (typeof value !== 'string') throw typeError(name, 'a string', value);
  if (!allowed.includes(value)) throw valueError(name, `one of ${allowed.join(', ')}`, value);
  return value;
}

/** Checked arguments of reclaim(), with defaults. `end` is 0 where the range has none. */
export function reclaimArguments(pid: unknown, kind: unknown, options: unknown, pageSize: number) {
  const checkedPid = integer('pid', pid, 1, 0x7fffffff);
  const checkedKind = oneOf('kind', kind === undefined ? 'all' : kind, kinds) as ReclaimKind;
  const o = object('options', options === undefined ? {} : options);
  const advice = oneOf('advice', o.advice === undefined ? 'pageout' : o.advice, advices) as ReclaimAdvice;
  const start = o.start === undefined ? 0 : integer('start', o.start, 0, Number.MAX_SAFE_INTEGER);
  if (start % pageSize !== 0) {
    throw rangeError(`start must be a multiple of the page size (${pageSize}), received ${start}`);
  }
  let end = 0;
  if (o.length !== undefined) {
    const length = integer('length', o.length, 1, Number.MAX_SAFE_INTEGER);
    end = start + Math.ceil(length / pageSize) * pageSize;
    if (end > Number.MAX_SAFE_INTEGER) {
      throw rangeError(`start + length must be at most 2^53 - 1, received ${start} and ${length}`);
    }
  }
  return { pid: checkedPid, kind: checkedKind, kindNumber: kinds.indexOf(checkedKind), advice, start, end };
}
