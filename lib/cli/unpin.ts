import { endHolders } from '../look/holders.ts';
import { openRegion } from '../look/open.ts';
import { parse, pidAndFd } from './arguments.ts';
import type { Command } from './command.ts';

const help = `Usage: ashmem-compat unpin PID FD [--json]

Ends what ashmem-compat pin holds of the region, pool or cache, whichever of its descriptors that was given. Pins belong to processes: those of
others cannot be taken from them. Exit status: 1 if there was none to end.

  --json   { "ended": [pid, ...] }
  --help`;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  const { pid, fd } = pidAndFd(positionals);
  const file = openRegion(pid, fd);
  let ended: number[];
  try {
    ended = await endHolders(file);
  } finally {
    file.close();
  }
  if (values.json) console.log(JSON.stringify({ ended }));
  else if (ended.length > 0) console.log(`ended ${ended.join(', ')}`);
  else console.error('ashmem-compat: no ashmem-compat pin holds it');
  return ended.length > 0 ? 0 : 1;
}

export const unpinCommand: Command = { help, run };
