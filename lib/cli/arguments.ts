import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './command.ts';

/** parseArgs() whose complaints are about the command line. */
export function parse<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export function wholeNumber(name: string, text: string, least: number, most = 999999999): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`${name} must be a whole number from ${least} to ${most}, received ${text}`);
  }
  return value;
}

/** The PID and FD that a command is about. */
export function pidAndFd(positionals: readonly string[]): { pid: number; fd: number } {
  if (positionals.length < 2) throw new UsageError('which PID and FD? ashmem-compat ps lists them');
  if (positionals.length > 2) throw new UsageError(`one PID and one FD, received also ${positionals[2]}`);
  const [pid, fd] = positionals as [string, string];
  return { pid: wholeNumber('PID', pid, 1, 2147483647), fd: wholeNumber('FD', fd, 0, 2147483647) };
}
