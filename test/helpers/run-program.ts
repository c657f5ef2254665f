import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/**
 * Runs a program of this repository in TypeScript. `done`: how it ended, and all that it printed; `line` resolves when it has printed
 * that.
 */
export function runProgram(script: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const done = new Promise<{ code: number | null; output: string; errors: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, output, errors }));
  });
  const line = (expected: string) =>
    new Promise<void>((resolve, reject) => {
      child.stdout.on('data', () => output.includes(expected) && resolve());
      child.on('close', () => reject(new Error(`ended without "${expected}": ${output}${errors}`)));
    });
  return { child, done, line };
}
