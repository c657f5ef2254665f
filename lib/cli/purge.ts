import { purgeFrom } from '../look/holding.ts';
import { parse, pidAndFd, wholeNumber } from './arguments.ts';
import type { Command } from './command.ts';
import { size } from './size.ts';

const help = `Usage: ashmem-compat purge PID FD [options]

Discards, now, what no living process holds of a region, a pool or a cache. Whoever pins it next is told. This attaches to it for a moment.

  --offset BYTES  of a region: only from here on; whole units
  --length BYTES  only so many
  --json          { "discarded": bytes }
  --help`;

const most = Number.MAX_SAFE_INTEGER;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: {
      offset: { type: 'string' },
      length: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { pid, fd } = pidAndFd(positionals);
  const offset = values.offset === undefined ? undefined : wholeNumber('--offset', values.offset, 0, most);
  const length = values.length === undefined ? undefined : wholeNumber('--length', values.length, 1, most);
  const discarded = purgeFrom(pid, fd, offset, length);
  console.log(values.json ? JSON.stringify({ discarded }) : `${size(discarded)} discarded`);
  return 0;
}

export const purgeCommand: Command = { help, run };
