// Runs a command as an Android app would run it, in this checkout, and exits with its exit status.
// Usage: npm run sandbox -- [--release NAME] [--device absent|denied] [--writable PATH] [--env NAME=VALUE] [--observe] [--] COMMAND ...

import { spawnSync } from 'node:child_process';
import { root } from '../../scripts/addon.mjs';
import { appEnvironment, buildLauncher, release, Unavailable, writePolicy } from './policy.mjs';

function parse(words) {
  const options = { release: '15', device: undefined, writable: [], env: {}, observe: false };
  while (words[0]?.startsWith('--')) {
    const word = words.shift();
    if (word === '--') break;
    if (word === '--observe') {
      options.observe = true;
      continue;
    }
    const value = words.shift();
    if (word === '--release') options.release = value;
    else if (word === '--device' && ['absent', 'denied'].includes(value)) options.device = value;
    else if (word === '--writable' && value) options.writable.push(value);
    else if (word === '--env' && value?.includes('='))
      options.env[value.split('=', 1)[0]] = value.slice(value.indexOf('=') + 1);
    else throw new Error(`${word} ${value ?? ''}: no such option, or not a value for it`);
  }
  if (words.length === 0) throw new Error('which command?');
  return { options, command: words };
}

try {
  const { options, command } = parse(process.argv.slice(2));
  const row = release(options.release);
  const child = spawnSync(buildLauncher(), [writePolicy(row, options), ...command], {
    cwd: root,
    env: appEnvironment(row, options.env),
    stdio: 'inherit',
  });
  process.exitCode = child.status ?? 1;
} catch (error) {
  console.error(`sandbox: ${error instanceof Unavailable ? 'skipped: ' : ''}${error.message}`);
  process.exitCode = error instanceof Unavailable ? 77 : 2;
}
