import { parseArgs } from 'node:util';
import { AshmemError } from '../errors.ts';
import type { ReclaimKind, ReclaimOptions } from '../reclaim/options.ts';
import { type MemoryUsage, type ReclaimResult, reclaim } from '../reclaim/reclaim.ts';
import { type Command, UsageError } from './command.ts';
import { size } from './size.ts';

const help = `Usage: ashmem-compat reclaim PID [file|anon|all] [options]

Asks the kernel to take the memory of a process out of memory. Its contents are kept, in files and in swap.

  PID               the process; it may be any that we have the rights for
  file|anon|all     mappings of files; memory that only swap can take; or both (default)
  --advice ADVICE   pageout: now (default); cold: first, when memory gets short
  --start ADDRESS   only addresses from here on, in the process; 0x... or decimal, a multiple of the page size
  --length BYTES    only so many
  --json            print the result as JSON
  --help`;

/** A number as people write addresses: decimal or 0x. NaN for anything else. */
function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw new UsageError(`${name} must be a number, received ${text}`);
  return Number(text);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        advice: { type: 'string' },
        start: { type: 'string' },
        length: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function row(name: string, before: number | undefined, after: number | undefined): string[] {
  if (before === undefined || after === undefined) return [];
  return [`  ${name.padEnd(12)}${size(before).padStart(12)}${size(after).padStart(12)}`];
}

/** The result for a person. */
function report(result: ReclaimResult): string {
  const { before, after } = result;
  const usage = (name: keyof MemoryUsage) => row(name, before[name], after[name]);
  const lines = [
    `${result.advice} of ${result.kind} memory of process ${result.pid}, by ${result.means}`,
    `  advised ${result.mappings} mappings, ${size(result.advised)} of addresses;` +
      ` skipped ${result.skippedMappings}, ${size(result.skipped)}`,
  ];
  if (result.anonLeftOut !== undefined) lines.push(`  anonymous memory was left out: ${result.anonLeftOut}`);
  lines.push(`  ${''.padEnd(12)}${'before'.padStart(12)}${'after'.padStart(12)}`);
  lines.push(...usage('rss'), ...usage('pss'), ...usage('anonymous'), ...usage('swap'));
  lines.push(`  ${size(result.left)} left the process; ${size(result.swapped)} more of it is in swap`);
  if (result.pageCacheDropped !== undefined)
    lines.push(`  the page cache of the whole system fell by ${size(result.pageCacheDropped)}`);
  return lines.join('\n');
}

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (positionals.length === 0) throw new UsageError('which PID?');
  if (positionals.length > 2) throw new UsageError(`one PID and one kind, received also ${positionals[2]}`);
  const pid = number('PID', positionals[0]) as number;
  const options: ReclaimOptions = {};
  const start = number('--start', values.start);
  const length = number('--length', values.length);
  if (start !== undefined) options.start = start;
  if (length !== undefined) options.length = length;
  if (values.advice !== undefined) options.advice = values.advice as 'pageout' | 'cold';
  let result: ReclaimResult;
  try {
    result = await reclaim(pid, positionals[1] as ReclaimKind | undefined, options);
  } catch (error) {
    // A wrong argument of the function is a wrong word on the command line.
    if (error instanceof AshmemError && (error instanceof TypeError || error instanceof RangeError))
      throw new UsageError(error.message);
    throw error;
  }
  console.log(values.json ? JSON.stringify(result) : report(result));
  return 0;
}

export const reclaimCommand: Command = {
  summary: 'take the memory of a process out of memory; its contents are kept',
  help,
  run,
};
