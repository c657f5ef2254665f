import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts test/bench/trials/NAME.ts as another process; `processor` counts from 1, 0 leaves the choice to the system. */
export function startPeer(
  name: string,
  processor: number,
  args: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  const program = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const command = [process.execPath, '--import', 'tsx', program, ...args];
  const pinned = processor > 0 ? ['taskset', '-c', String(processor - 1), ...command] : command;
  return spawn(pinned[0]!, pinned.slice(1), { stdio });
}
