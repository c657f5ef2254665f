#!/usr/bin/env node
import { AshmemError } from '../errors.ts';
import { type Command, UsageError } from './command.ts';
import { pressureCommand } from './pressure.ts';
import { reclaimCommand } from './reclaim.ts';

/** Every command, by its name. */
const commands: ReadonlyMap<string, Command> = new Map([
  ['pressure', pressureCommand],
  ['reclaim', reclaimCommand],
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
  const command = name === undefined ? undefined : commands.get(name);
  if (!command) return wrong(name === undefined ? 'which command?' : `no command ${name}`, help);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(command.help);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) return wrong(error.message, command.help);
    if (!(error instanceof AshmemError)) throw error;
    console.error(`ashmem-compat: ${error.message} (${error.code})`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
