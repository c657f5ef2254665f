import { parseArgs } from 'node:util';
import { advise } from '../doctor/advice.ts';
import { collect } from '../doctor/collect.ts';
import { page } from '../doctor/page.ts';
import { type Command, UsageError } from './command.ts';

const help = `Usage: ashmem-compat doctor [--json]

Tries a shared, purgeable region here, and prints a page for a bug report: system, backends, sources of memory pressure, limits, and what
could be better. It names neither the user nor the machine. Exit status: 0 if such regions work here, else 1.

  --json   the same as JSON
  --help`;

async function run(args: string[]): Promise<number> {
  let json: boolean;
  try {
    json = parseArgs({ args, options: { json: { type: 'boolean', default: false } } }).values.json;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const facts = await collect();
  const advice = advise(facts);
  console.log(json ? JSON.stringify({ ...facts, advice }, undefined, 2) : page(facts, advice));
  return facts.sharing.works ? 0 : 1;
}

export const doctorCommand: Command = { help, run };
