import { setTimeout as sleep } from 'node:timers/promises';
import { AshmemError } from '../errors.ts';
import { showPath } from './address.ts';

const ATTEMPTS = 200;

/** Calls `open` until it does not fail with EAGAIN of `syscall`, for up to about five seconds. */
export async function retryWhile<T>(syscall: string, open: () => T): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return open();
    } catch (error) {
      const again = error instanceof AshmemError && error.syscall === syscall && error.errno === -11;
      if (!again || attempt === ATTEMPTS) throw error;
    }
    await sleep(Math.min(attempt, 25));
  }
}

/** The same error with the socket's name in its message. */
export function withPath(error: unknown, path: string): unknown {
  if (!(error instanceof AshmemError)) return error;
  const { code, errno, syscall } = error;
  const info = errno !== undefined && syscall !== undefined ? { errno, syscall } : {};
  return new AshmemError(
    code === 'ERR_REGION_BUSY' ? 'ERR_SYSTEM' : code,
    `${showPath(path)}: ${error.message}`,
    {
      ...info,
      cause: error,
    },
  );
}
