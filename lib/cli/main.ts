#!/usr/bin/env node
import { AshmemError } from '../errors.ts';
import { type Command, UsageError } from './command.ts';

/** Every command, by its name. Loaded when it is called: all but doctor end at once where there is no addon. */
const commands: ReadonlyMap<string, { summary: string; load(): Promise<Command> }> = new Map([
  [
    'doctor',
    {
      summary: 'try whether regions work here, and print a page for a bug report',
      load: async () => (await import('./doctor.ts')).doctorCommand,
    },
  ],
  [
    'inspect',
    {
      summary: 'tell all of a region, pool or cache, without attaching to it',
      load: async () => (await import('./inspect.ts')).inspectCommand,
    },
  ],
  [
    'pin',
    {
      summary: 'keep a region, pool or cache in memory, from outside',
      load: async () => (await import('./pin.ts')).pinCommand,
    },
  ],
  [
    'pressure',
    {
      summary: 'show what each source says of memory, as it changes',
      load: async () => (await import('./pressure.ts')).pressureCommand,
    },
  ],
  [
    'ps',
    {
      summary: 'list the regions, pools and caches of all processes',
      load: async () => (await import('./ps.ts')).psCommand,
    },
  ],
  [
    'purge',
    {
      summary: 'discard what nobody holds of a region, pool or cache',
      load: async () => (await import('./purge.ts')).purgeCommand,
    },
  ],
  [
    'reclaim',
    {
      summary: 'take the memory of a process out of memory; its contents are kept',
      load: async () => (await import('./reclaim.ts')).reclaimCommand,
    },
  ],
  [
    'top',
    {
      summary: 'show what ps shows, again and again',
      load: async () => (await import('./top.ts')).topCommand,
    },
  ],
  [
    'unpin',
    {
      summary: 'end what pin holds',
      load: async () => (await import('./unpin.ts')).unpinCommand,
    },
  ],
]);

const help = `Usage: ashmem-compat COMMAND [options]

${[...commands].map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`).join('\n')}

ashmem-compat COMMAND --help says more. Exit status: 0 done, 1 it failed, 2 the command line is wrong.`;

function wrong(message: string, usage: string): number {
  console.error(`ashmem-compat: ${message}\n\n${usage}`);
  return 2;
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(help);
    return 0;
  }
  const entry = name === undefined ? undefined : commands.get(name);
  if (!entry) return wrong(name === undefined ? 'which command?' : `no command ${name}`, help);
  let command: Command | undefined;
  try {
    command = await entry.load();
    if (args.includes('--help') || args.includes('-h')) {
      console.log(command.help);
      return 0;
    }
    return await command.run(args);
  } catch (error) {
    if (command && error instanceof UsageError) return wrong(error.message, command.help);
    if (!(error instanceof AshmemError)) throw error;
    console.error(`ashmem-compat: ${error.message} (${error.code})`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
