import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a program of test/native, which `npm run build:core` builds. */
export function nativeProgram(name: string): string {
  const path = fileURLToPath(new URL(`../../build/core/test/native/${name}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is not built: npm run build:core`);
  return path;
}
