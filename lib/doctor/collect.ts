// Finds out what doctor prints. Nothing here throws: what cannot be read is a fact too.

import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { homedir, release } from 'node:os';
import type { AddonFacts, CgroupMemory, Facts, Maybe, SecurityFacts, Trial } from './facts.ts';
import { isUnreadable } from './facts.ts';
import { shortenAll, shortener } from './privacy.ts';
import {
  androidOf,
  cgroupBytes,
  cgroupOf,
  chain,
  field,
  libcOfMaps,
  limit,
  meminfoBytes,
  seccompMode,
  tightest,
} from './proc-text.ts';
import { tryRegions } from './trial.ts';

type Library = typeof import('../index.ts');

/** The result, or the reason why there is none, in a word where the system has one. */
function attempt<T>(read: () => T | undefined, missing = 'not said'): Maybe<T> {
  try {
    const value = read();
    return value === undefined ? { unreadable: missing } : value;
  } catch (error) {
    const { code, syscall, path, message } = error as NodeJS.ErrnoException;
    return { unreadable: path === undefined ? String(message ?? error) : `${path}: ${code} (${syscall})` };
  }
}

const text = (path: string): string => readFileSync(path, 'utf8');

function version(): string {
  return (JSON.parse(text(new URL('../../package.json', import.meta.url).pathname)) as { version: string })
    .version;
}

function android(): Facts['android'] {
  return attempt(() => {
    const { stdout, error } = spawnSync('/system/bin/getprop', [], { encoding: 'utf8', timeout: 300 });
    if (error) throw error;
    return androidOf(stdout);
  }, 'getprop says no version');
}

function libc(androidFacts: Facts['android']): Maybe<string> {
  return attempt(() => {
    const kind = libcOfMaps(text('/proc/self/maps'));
    if (kind === 'bionic') {
      const known = androidFacts !== undefined && !isUnreadable(androidFacts);
      return known ? `bionic of API ${androidFacts.api}` : kind;
    }
    if (kind === 'musl') return kind;
    // The report tells of glibc alone. It is asked for no more than that: it knows the machine's name and addresses.
    const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
    report.excludeNetwork = true;
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : kind;
  }, 'none that is known is mapped');
}

function security(): SecurityFacts {
  const status = attempt(() => text('/proc/self/status'));
  const line = <T>(name: string, meaning: (value: string) => T): Maybe<T> => {
    if (isUnreadable(status)) return status;
    const value = field(status, name);
    return value === undefined ? { unreadable: `no ${name} in /proc/self/status` } : meaning(value);
  };
  return {
    seccomp: line('Seccomp', seccompMode),
    noNewPrivileges: line('NoNewPrivs', (value) => value === '1'),
    privileged: line('CapEff', (value) => /[1-9a-f]/.test(value)),
    securityModule: attempt(() => {
      try {
        return text('/proc/self/attr/current').replace(/[\0\s]+$/, '') || undefined;
      } catch (error) {
        // Without a module that has labels the file is there, and reading it is an error.
        if ((error as NodeJS.ErrnoException).code === 'EINVAL') return 'none';
        throw error;
      }
    }),
  };
}

function limits(): Facts['limits'] {
  return attempt(() => {
    const file = text('/proc/self/limits');
    const none = { soft: null, hard: null };
    return {
      files: limit(file, 'Max open files') ?? none,
      addressSpace: limit(file, 'Max address space') ?? none,
      processes: limit(file, 'Max processes') ?? none,
      locked: limit(file, 'Max locked memory') ?? none,
    };
  });
}

/** In the places where the hierarchies are mounted by everybody's habit; the core looks into the mounts. */
function cgroup(): Maybe<CgroupMemory> {
  return attempt(() => {
    const own = text('/proc/self/cgroup');
    const seen: CgroupMemory[] = [];
    const bytes = (path: string) => {
      const value = attempt(() => text(path));
      return isUnreadable(value) ? undefined : cgroupBytes(value);
    };
    for (const group of chain(cgroupOf(own, 2) ?? '/')) {
      const folder = `/sys/fs/cgroup${group}`;
      const max = bytes(`${folder}/memory.max`);
      if (max !== undefined) seen.push({ limit: max, high: bytes(`${folder}/memory.high`) ?? null });
    }
    for (const group of chain(cgroupOf(own, 1) ?? '/')) {
      const max = bytes(`/sys/fs/cgroup/memory${group}/memory.limit_in_bytes`);
      if (max !== undefined) seen.push({ limit: max, high: null });
    }
    return seen.length === 0 ? undefined : tightest(seen);
  }, 'no memory cgroup to be seen');
}

function memory(): Facts['memory'] {
  return attempt(() => {
    const file = text('/proc/meminfo');
    const total = meminfoBytes(file, 'MemTotal');
    const available = meminfoBytes(file, 'MemAvailable');
    if (total === undefined || available === undefined) return undefined;
    return { total, available, swap: meminfoBytes(file, 'SwapTotal') ?? 0 };
  }, 'no MemTotal or no MemAvailable in /proc/meminfo');
}

/** The addon may be missing, which is what doctor is run for: so it is not a static import. */
async function library(): Promise<{ index: Library; addon: AddonFacts } | { unreadable: string }> {
  try {
    const index = await import('../index.ts');
    const { found } = await import('../native.ts');
    const origin = /\/prebuilds\/[^/]+\/[^/]+$/.test(found.path) ? 'shipped' : 'compiled here';
    return { index, addon: { origin, ...found } };
  } catch (error) {
    return { unreadable: (error as Error).message };
  }
}

/** The home folder by the environment, by the user database, and where they really are. */
function homes(): string[] {
  const named = [process.env.HOME, attempt(homedir)].filter((home) => typeof home === 'string');
  const real = named
    .map((home) => attempt(() => realpathSync(home)))
    .filter((home) => typeof home === 'string');
  return [...named, ...real];
}

export async function collect(): Promise<Facts> {
  const found = await library();
  const missing = isUnreadable(found) ? found : undefined;
  const report = missing ?? attempt((found as { index: Library }).index.probe);
  const none: Trial = { works: false, backend: '', detail: 'there is no addon to try' };
  const trials = isUnreadable(found)
    ? { sharing: none, passing: none }
    : await tryRegions(found.index).catch((error: unknown) => {
        const failed: Trial = { works: false, backend: '', detail: String(error) };
        return { sharing: failed, passing: failed };
      });
  const androidFacts = process.platform === 'android' ? android() : undefined;
  const packageVersion = attempt(version);
  const facts: Facts = {
    package: isUnreadable(packageVersion) ? 'unknown' : packageVersion,
    node: process.version,
    ...(androidFacts === undefined ? {} : { android: androidFacts }),
    ...(process.env.TERMUX_VERSION === undefined ? {} : { termux: process.env.TERMUX_VERSION }),
    platform: process.platform,
    arch: process.arch,
    kernel: release(),
    libc: libc(androidFacts),
    pageSize: isUnreadable(report) ? report : report.pageSize,
    addon: isUnreadable(found) ? found : found.addon,
    backends: isUnreadable(report) ? report : report.backends,
    pressure: isUnreadable(report) ? report : report.pressure,
    ...trials,
    security: security(),
    limits: limits(),
    cgroup: cgroup(),
    memory: memory(),
  };
  return shortenAll(facts, shortener(homes()));
}
