import { arch, cpus, release, totalmem, type } from 'node:os';

export interface Machine {
  cpu: string;
  cpus: number;
  memoryGiB: number;
  kernel: string;
  arch: string;
  node: string;
  v8: string;
  date: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    arch: arch(),
    node: process.version,
    v8: process.versions.v8,
    date: new Date().toISOString().slice(0, 10),
  };
}
