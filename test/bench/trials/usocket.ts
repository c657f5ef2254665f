/** What of the npm package usocket the benchmark uses. It has no types of its own. */
import { createRequire } from 'node:module';

export interface USocket extends NodeJS.EventEmitter {
  /** `size` bytes and `fds` descriptors, or null if not both are there. */
  read(size: number, fds: number): { data: Buffer; fds: number[] } | null;
  write(chunk: { data: Buffer; fds: number[] }): void;
  destroy(): void;
}

interface Package {
  USocket: new (path: string) => USocket;
  UServer: new () => NodeJS.EventEmitter & { listen(path: string): void; close(): void };
}

export const { USocket, UServer }: Package = createRequire(
  new URL('../../../build/bench/usocket/', import.meta.url),
)('usocket');
