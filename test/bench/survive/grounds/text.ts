import { readFileSync } from 'node:fs';

/** The number in a file that holds nothing else. */
export const number = (path: string) => Number(readFileSync(path, 'utf8'));

/** The number behind a name at the beginning of a line; 0 if there is no such line. */
export function field(path: string, name: string): number {
  const line = new RegExp(`^${name}[ :\\t]+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'));
  return Number(line?.[1] ?? 0);
}
