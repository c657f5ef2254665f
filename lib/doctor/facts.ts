import type { Availability } from '../probe.ts';

/** What could not be found out, and why. Said as such, never guessed. */
export interface Unreadable {
  unreadable: string;
}

export type Maybe<T> = T | Unreadable;

export function isUnreadable(fact: unknown): fact is Unreadable {
  return typeof fact === 'object' && fact !== null && 'unreadable' in fact;
}

/** A limit of this process, in what setrlimit(2) counts; `null` is none. */
export interface Limit {
  soft: number | null;
  hard: number | null;
}

/** The tightest limits of the memory cgroups above this process, in bytes; `null` is none. */
export interface CgroupMemory {
  /** Of memory.max (v2) or memory.limit_in_bytes (v1). */
  limit: number | null;
  /** Of memory.high (v2). */
  high: number | null;
}

export interface SecurityFacts {
  /** 'off', 'strict', or 'a filter' of seccomp(2). */
  seccomp: Maybe<string>;
  noNewPrivileges: Maybe<boolean>;
  /** What the security module calls this process: SELinux's context, AppArmor's profile. */
  securityModule: Maybe<string>;
  /** Of CapEff: whether this process has any right that an ordinary user has not. */
  privileged: Maybe<boolean>;
}

/** Where the addon is, and how many places were tried before. */
export interface AddonFacts {
  path: string;
  /** Whether it was compiled on this machine, or came with the package. */
  origin: 'compiled here' | 'shipped';
  /** The places that had none that loads, with the reasons. */
  failed: string[];
}

/** What became of a region that was made, lost and read again. */
export interface Trial {
  works: boolean;
  /** The backend that was taken, or '' if none was. */
  backend: string;
  /** What failed, or what was seen. */
  detail: string;
}

export interface Facts {
  package: string;
  node: string;
  /** The version of Android, of Termux: what only they have. */
  android?: Maybe<{ release: string; api: number }>;
  termux?: string;
  platform: string;
  arch: string;
  kernel: string;
  libc: Maybe<string>;
  pageSize: Maybe<number>;
  addon: Maybe<AddonFacts>;
  backends: Maybe<Availability[]>;
  pressure: Maybe<Availability[]>;
  /** A region shared by fd and purged. */
  sharing: Trial;
  /** The same region, its fd sent over a unix socket. */
  passing: Trial;
  security: SecurityFacts;
  limits: Maybe<{ files: Limit; addressSpace: Limit; processes: Limit; locked: Limit }>;
  cgroup: Maybe<CgroupMemory>;
  memory: Maybe<{ total: number; available: number; swap: number }>;
}
