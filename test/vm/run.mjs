// Runs a command in the virtual machine, in this checkout, and exits with its exit status.
// Usage: npm run vm -- [--user UID] [--memory MIB] [--cpus N] [--timeout SECONDS] [--swap MIB] [--env NAME=VALUE] [--kernel NAME]
//   [--] COMMAND ...

import { kernels } from './kernels.mjs';
import { runMachine } from './machine.mjs';
import { Unavailable } from './packages.mjs';

function parse(words) {
  const options = { user: 0, memory: 1024, cpus: 2, timeout: 600, swap: 0, env: {}, kernel: 'ashmem' };
  while (words[0]?.startsWith('--')) {
    const word = words.shift();
    if (word === '--') break;
    const name = word.slice(2);
    const value = words.shift();
    if (name === 'env' && value?.includes('=')) {
      const at = value.indexOf('=');
      options.env[value.slice(0, at)] = value.slice(at + 1);
    } else if (name === 'kernel' && Object.hasOwn(kernels, value)) {
      options.kernel = value;
    } else if (typeof options[name] === 'number' && /^\d+$/.test(value)) {
      options[name] = Number(value);
    } else {
      throw new Error(`${word} ${value ?? ''}: no such option, or not a value for it`);
    }
  }
  if (words.length === 0) throw new Error('which command?');
  return { options, command: words };
}

let parsed;
try {
  parsed = parse(process.argv.slice(2));
} catch (error) {
  console.error(`vm: ${error.message}`);
  console.error(
    'usage: npm run vm -- [--user UID] [--memory MIB] [--cpus N] [--timeout SECONDS] [--swap MIB] [--env NAME=VALUE] [--kernel NAME] [--] COMMAND ...',
  );
  process.exit(2);
}

const { options, command } = parsed;
try {
  const { user, env, kernel, ...machine } = options;
  const steps = [{ command, user, env }];
  const { statuses, late } = await runMachine({ ...machine, kernel: kernels[kernel](), steps });
  process.exitCode = statuses[0] ?? (late ? 124 : 125);
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.error(`vm: skipped: ${error.message}`);
  process.exitCode = 77;
}
