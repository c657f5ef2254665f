import { spawn } from 'node:child_process';
import { output, root, trial } from './paths.ts';
import { median, type Series } from './samples.ts';

export interface Command {
  program: string;
  args: readonly string[];
}

/** A trial in JavaScript: a fresh Node process that runs test/bench/trials/NAME.ts. */
export function script(name: string, ...args: (string | number)[]): Command {
  return {
    program: process.execPath,
    args: ['--expose-gc', '--import', 'tsx', trial(name), ...args.map(String)],
  };
}

/** A trial in C++: a fresh process of the floors program, which prints what a script does. */
export function floor(name: string, ...args: number[]): Command {
  return { program: `${output}/floors/floors`, args: [name, ...args.map(String)] };
}

/** The same, and all processes that it starts, on the first processor only. */
export function onFirstProcessor({ program, args }: Command): Command {
  return { program: 'taskset', args: ['-c', '0', program, ...args] };
}

/** Runs to the end; what it printed. Rejects with its standard error if it fails. */
export function run({ program, args }: Command, cwd = root, env = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let complaints = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaints += chunk;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(text);
      else reject(new Error(`${program} ${args.join(' ')}: ${signal ?? `exit ${status}`}\n${complaints}`));
    });
  });
}

/** How long a whole Node process with these arguments takes, from start to end. */
export async function nodeMilliseconds(...args: string[]): Promise<number> {
  const start = performance.now();
  await run({ program: process.execPath, args });
  return performance.now() - start;
}

/** A script gives an object of arrays, a floor one array: the median of each array is one sample. */
async function sample(command: Command): Promise<Record<string, number>> {
  const answer = JSON.parse(await run(command)) as Record<string, number[]> | number[];
  const series = Array.isArray(answer) ? { floor: answer } : answer;
  return Object.fromEntries(Object.entries(series).map(([name, numbers]) => [name, median(numbers)]));
}

/**
 * Runs each command once per round, every other round in the opposite order, one after another. What they measured, by name:
 * one number per round.
 */
export async function rounds(count: number, ...commands: Command[]): Promise<Record<string, Series>> {
  const all: Record<string, number[]> = {};
  for (let round = 0; round < count; round++) {
    for (const command of round % 2 === 0 ? commands : commands.toReversed()) {
      for (const [name, value] of Object.entries(await sample(command))) {
        all[name] ??= [];
        all[name].push(value);
      }
    }
  }
  return all;
}
