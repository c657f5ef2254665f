import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { output } from '../../harness/paths.ts';
import { MIB } from '../numbers.ts';

const SIZE = 512 * MIB;

/** A file of 512 MiB with blocks on a disk, made once; throws with a reason if there is no room for it. */
export function bigFile(): string {
  const path = join(output, 'survive-file');
  if (existsSync(path) && statSync(path).size === SIZE && statSync(path).blocks * 512 >= SIZE) return path;
  mkdirSync(output, { recursive: true });
  const { bavail, bsize } = statfsSync(output);
  if (bavail * bsize < 4 * SIZE) throw new Error(`no room for ${SIZE / MIB} MiB in ${output}`);
  const chunk = Buffer.alloc(4 * MIB, 0x5a);
  const file = openSync(path, 'w');
  for (let at = 0; at < SIZE; at += chunk.length) writeSync(file, chunk);
  fsyncSync(file);
  closeSync(file);
  return path;
}
