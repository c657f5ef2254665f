// What the files of /proc say. Pure: text in, facts out.

import type { CgroupMemory, Limit } from './facts.ts';

/** A line `name: value` of /proc/PID/status and /proc/meminfo. */
export function field(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim();
}

/** Bytes of a line of /proc/meminfo, which counts in kB. */
export function meminfoBytes(text: string, name: string): number | undefined {
  const value = /^(\d+) kB$/.exec(field(text, name) ?? '')?.[1];
  return value === undefined ? undefined : Number(value) * 1024;
}

/** A line of /proc/PID/limits, by the name that proc(5) gives it. */
export function limit(text: string, name: string): Limit | undefined {
  const match = new RegExp(`^${name} +(\\d+|unlimited) +(\\d+|unlimited)`, 'm').exec(text);
  if (!match) return undefined;
  const number = (word: string | undefined) => (word === 'unlimited' ? null : Number(word));
  return { soft: number(match[1]), hard: number(match[2]) };
}

/** What Seccomp: says in /proc/PID/status. */
export function seccompMode(mode: string): string {
  return { '0': 'off', '1': 'strict', '2': 'a filter' }[mode] ?? `mode ${mode}`;
}

export type LibcKind = 'glibc' | 'musl' | 'bionic';

/** Which C library is in a memory map. */
export function libcOfMaps(maps: string): LibcKind | undefined {
  if (/\/ld-musl-[^/\n]*$/m.test(maps)) return 'musl';
  if (/^[^\n]*\/(apex\/com\.android\.runtime\/|system\/)[^\n]*\/libc\.so$/m.test(maps)) return 'bionic';
  if (/\/(libc\.so\.6|libc-2\.\d+\.so)$/m.test(maps)) return 'glibc';
  return undefined;
}

/** The properties of `getprop` that are wanted, and no other: the rest names the device. */
export function androidOf(getprop: string): { release: string; api: number } | undefined {
  const property = (name: string) =>
    new RegExp(`^\\[${name.replaceAll('.', '\\.')}\\]: \\[(.*)\\]$`, 'm').exec(getprop)?.[1];
  const release = property('ro.build.version.release');
  const api = property('ro.build.version.sdk');
  return release && api && /^\d+$/.test(api) ? { release, api: Number(api) } : undefined;
}

/** The memory cgroup of /proc/PID/cgroup, of either hierarchy. */
export function cgroupOf(text: string, version: 1 | 2): string | undefined {
  if (version === 2) return /^0::(\/.*)$/m.exec(text)?.[1];
  return /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(\/.*)$/m.exec(text)?.[1];
}

/** A cgroup and each one above it, from within out. */
export function chain(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('/');
}

/** A limit of a cgroup's file. v1 says "none" with the largest number of pages that there is. */
export function cgroupBytes(text: string): number | null {
  const value = text.trim() === 'max' ? Number.POSITIVE_INFINITY : Number(text);
  return Number.isFinite(value) && value < 2 ** 60 ? value : null;
}

/** The tightest of two. */
export function tighter(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b);
}

export function tightest(limits: readonly CgroupMemory[]): CgroupMemory {
  return limits.reduce((a, b) => ({ limit: tighter(a.limit, b.limit), high: tighter(a.high, b.high) }), {
    limit: null,
    high: null,
  });
}
