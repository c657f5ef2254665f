import { release } from 'node:os';
import { native } from './native.ts';

/** One thing that may or may not work here. `reason` says why, for a person. */
export interface Availability {
  name: string;
  available: boolean;
  reason: string;
}

export interface ProbeReport {
  /** In the order of preference within a scope. */
  backends: Availability[];
  /** Sources of memory-pressure notices, as PressureMonitor.start() takes them. docs/pressure.md tells what each is good for. */
  pressure: Availability[];
  /** Bytes in a page of this system. */
  pageSize: number;
  /** process.platform: 'linux' or 'android'. */
  platform: string;
  /** The running kernel's release, as uname(2) gives it. */
  kernel: string;
}

/**
 * What works on this machine, found out by trying it, not by the platform's name. Cheap and cached: each backend and each source is tried once per
 * process, in a way that survives a missing system call and a seccomp filter that kills.
 */
export function probe(): ProbeReport {
  return {
    backends: native.probeBackends(),
    pressure: native.probePressure(),
    pageSize: native.pageSize,
    platform: process.platform,
    kernel: release(),
  };
}
