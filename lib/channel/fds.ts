import { AshmemError, rangeError, typeError } from '../errors.ts';
import { native } from '../native.ts';
import { MAX_MESSAGE_FDS } from './limits.ts';

/** Anything that lends its descriptor, as SharedRegion does. */
export interface HasFd {
  readonly fd: number;
}

/** Checks one descriptor number; whether it is open only the kernel knows. */
export function checkFd(name: string, fd: unknown): asserts fd is number {
  if (typeof fd !== 'number') throw typeError(name, 'a file descriptor', fd);
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff)
    throw rangeError(`${name} must be a file descriptor, received ${fd}`);
}

/** The numbers behind the `fds` argument of send(). Throws what a region's `fd` getter throws. */
export function fdNumbers(fds: unknown): number[] | undefined {
  if (fds === undefined) return undefined;
  if (!Array.isArray(fds)) throw typeError('fds', 'an array of file descriptors or regions', fds);
  if (fds.length === 0) return undefined;
  if (fds.length > MAX_MESSAGE_FDS) {
    throw new AshmemError(
      'ERR_TOO_MANY_FDS',
      `one message carries at most ${MAX_MESSAGE_FDS} file descriptors, received ${fds.length}`,
    );
  }
  const numbers: number[] = [];
  for (let i = 0; i < fds.length; i++) {
    const entry: unknown = fds[i];
    const fd = typeof entry === 'object' && entry !== null ? (entry as Partial<HasFd>).fd : entry;
    checkFd(`fds[${i}]`, fd);
    numbers.push(fd);
  }
  return numbers;
}

/**
 * Closes descriptors that receive() gave. The same as fs.closeSync() for each, but for one thing: in a worker Node warns when
 * that closes what `fs` has not opened. Throws ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE for what is no descriptor number.
 */
export function closeFds(fds: readonly number[]): void {
  for (let i = 0; i < fds.length; i++) checkFd(`fds[${i}]`, fds[i]);
  native.channelCloseFds(fds);
}
