import { holderTitle } from '../look/holders.ts';
import { holdFrom } from '../look/holding.ts';
import { parse, pidAndFd, wholeNumber } from './arguments.ts';
import type { Command } from './command.ts';
import { size } from './size.ts';

const help = `Usage: ashmem-compat pin PID FD [options]

Keeps a region, or the blocks of a pool or a cache, in memory from outside: pins what is not discarded, says so, and holds it until it is
interrupted, or ashmem-compat unpin PID FD is called. What is discarded already stays so, for its next user to be told.

  --seconds N     end after N seconds
  --offset BYTES  of a region: only from here on; whole units
  --length BYTES  only so many
  --json          { "held": bytes, "lost": bytes }, at the beginning
  --help`;

const most = Number.MAX_SAFE_INTEGER;

/** Until a signal, or so many milliseconds. */
function ending(milliseconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    // It keeps the process alive, too.
    setInterval(() => milliseconds !== undefined && resolve(), milliseconds ?? 2 ** 30);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      offset: { type: 'string' },
      length: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { pid, fd } = pidAndFd(positionals);
  const seconds =
    values.seconds === undefined ? undefined : wholeNumber('--seconds', values.seconds, 1, 2000000);
  const offset = values.offset === undefined ? 0 : wholeNumber('--offset', values.offset, 0, most);
  const length = values.length === undefined ? undefined : wholeNumber('--length', values.length, 1, most);
  process.title = holderTitle;
  const { bytes, lost } = holdFrom(pid, fd, offset, length);
  const end = ending(seconds === undefined ? undefined : seconds * 1000);
  const told = values.json
    ? JSON.stringify({ held: bytes, lost })
    : `${size(bytes)} held by process ${process.pid}${lost > 0 ? `; ${size(lost)} were discarded before` : ''}`;
  console.log(told);
  await end;
  process.exit(0);
}

export const pinCommand: Command = { help, run };
