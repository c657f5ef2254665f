import { closeSync, openSync } from 'node:fs';
import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';
import { RegionFile } from './file.ts';

/** What a person is told when a process or a descriptor of it cannot be had. */
function explained(error: unknown, pid: number, fd: number): Error {
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  const info = {
    cause: error,
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
  };
  if (error instanceof AshmemError) return error;
  if (code === 'ENOENT' || code === 'ESRCH') {
    try {
      process.kill(pid, 0);
    } catch (gone) {
      if ((gone as NodeJS.ErrnoException).code === 'ESRCH')
        return new AshmemError('ERR_NO_SUCH_PROCESS', `no process has pid ${pid}`, info);
    }
    return new AshmemError('ERR_UNTRUSTED_FD', `process ${pid} has no descriptor ${fd}`, info);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new AshmemError(
      'ERR_NOT_PERMITTED',
      `the descriptors of process ${pid} are not for us to see`,
      info,
    );
  }
  return error as Error;
}

/** The region that is descriptor `fd` of process `pid`, for looking at. ERR_NO_SUCH_PROCESS, ERR_NOT_PERMITTED, ERR_UNTRUSTED_FD. */
export function openRegion(pid: number, fd: number): RegionFile {
  let file: RegionFile | undefined;
  try {
    file = RegionFile.open(pid, fd);
  } catch (error) {
    throw explained(error, pid, fd);
  }
  if (!file) {
    throw new AshmemError(
      'ERR_UNTRUSTED_FD',
      `descriptor ${fd} of process ${pid} is no region, pool or cache`,
    );
  }
  return file;
}

/**
 * Calls `use` with a descriptor of our own for it, with which one can attach: opened anew for reading and writing, and where that is
 * refused, the process's own.
 */
export function withRegionFd<T>(pid: number, fd: number, use: (fd: number) => T): T {
  const file = openRegion(pid, fd);
  file.close();
  let own: number;
  try {
    own = file.backend === 'memfd' ? openOrTake(pid, fd) : native.takeFd(pid, fd);
  } catch (error) {
    throw explained(error, pid, fd);
  }
  try {
    return use(own);
  } finally {
    closeSync(own);
  }
}

function openOrTake(pid: number, fd: number): number {
  try {
    return openSync(`/proc/${pid}/fd/${fd}`, 'r+');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return native.takeFd(pid, fd);
  }
}
