import { integer, object } from '../arguments.ts';
import { typeError, valueError } from '../errors.ts';
import { native } from '../native.ts';

/** The vrange of a kernel that has one: there is no number that Linux has given it. */
export interface VrangeOptions {
  /** The arguments it takes: as posted in version 11, or with flags, as in version 12. */
  abi: 'v11' | 'v12';
  /** The system call's number in the running kernel. */
  number: number;
}

/**
 * Names the system call that the backend 'vrange' may try, as the environment variable ASHMEM_COMPAT_VRANGE does (`v12:1012`), and instead of
 * it. Whether it is what it should be, is found out by the next probe() or create(), in a child process; a number that the running kernel
 * has assigned to another call is not called. docs/vrange.md.
 *
 * Errors: TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE; ERR_NOT_SUPPORTED when another call has been
 * proven, and may be in use, already.
 */
export function enableVrange(options: VrangeOptions): void {
  const o = object('options', options);
  if (typeof o.abi !== 'string') throw typeError('abi', 'a string', o.abi);
  if (o.abi !== 'v11' && o.abi !== 'v12') throw valueError('abi', "'v11' or 'v12'", o.abi);
  native.enableVrange(`${o.abi}:${integer('number', o.number, 0, 4095)}`);
}
