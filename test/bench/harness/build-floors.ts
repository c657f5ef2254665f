import { mkdir } from 'node:fs/promises';
import { floorSources, output } from './paths.ts';
import { run } from './processes.ts';

/** Compiles test/bench/floors into build/bench/floors. Throws with the compiler's words if that fails. */
export async function buildFloors(): Promise<void> {
  const folder = `${output}/floors`;
  await mkdir(folder, { recursive: true });
  await run({
    program: 'cmake',
    args: ['-S', floorSources, '-B', folder, '-DCMAKE_BUILD_TYPE=Release'],
  });
  await run({ program: 'cmake', args: ['--build', folder] });
}
