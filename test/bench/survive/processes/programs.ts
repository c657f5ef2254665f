import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export const workerScript = path('worker.mjs');

/** A program of test/bench/survive/native, which `npm run build:core` compiles. */
export function program(name: 'neighbour' | 'sampler'): string {
  const file = path(`../../../../build/core/test/bench/survive/native/survive_${name}`);
  if (!existsSync(file)) throw new Error(`${file} is not built: npm run build:core`);
  return file;
}
