import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const PREFIX = 'ashmem-compat-survive';
let made = 0;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export function members(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}

/** Kills all that are in a cgroup of ours and removes it; waits at most 5 s for that. */
export function removeFolder(folder: string): void {
  for (let tries = 0; tries < 500; tries++) {
    try {
      for (const pid of members(folder)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It is gone already.
        }
      }
      rmdirSync(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      sleep(10);
    }
  }
  console.error(`could not remove ${folder}`);
}

/** A new cgroup in a hierarchy, after those have been removed that a killed benchmark has left there. */
export function makeFolder(hierarchy: string): string {
  for (const name of readdirSync(hierarchy)) {
    const owner = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) removeFolder(join(hierarchy, name));
  }
  const folder = join(hierarchy, `${PREFIX}-${process.pid}-${made++}`);
  mkdirSync(folder);
  return folder;
}
