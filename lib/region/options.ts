import { integer, object } from '../arguments.ts';
import { AshmemError, rangeError, show, typeError, valueError } from '../errors.ts';

/** The ways of having purgeable memory. docs/backends.md tells what each guarantees. */
export type Backend = 'ashmem' | 'vrange' | 'memfd' | 'anonymous';

/** Who can have a region: any process that gets its fd, or the creating process alone. */
export type Scope = 'shared' | 'process';

export interface CreateOptions {
  /** For people: shows in /proc/PID/maps as `/memfd:NAME` or `/dev/ashmem/NAME`. At most 249 bytes of UTF-8. Default: empty. */
  name?: string;
  /** Bytes of data, 1 to 2^53 - 1; need not be a multiple of anything. */
  size: number;
  /** Default: the best one that works here for the scope. */
  backend?: Backend;
  /** Bytes that are pinned and purged as one: a power of two, at least the page size. Default: the page size. */
  granularity?: number;
  /** Default: 'shared'; 'process' for `backend: 'anonymous'`. */
  scope?: Scope;
  /** How many processes can be attached at once, 1 to 1020. Each 64 beyond 60 cost 8 bytes per unit. Default: 60. */
  maxProcesses?: number;
  /** Milliseconds that a pin waits for another process's purge before ERR_REGION_BUSY, 0 to 2^32 - 1. Default: 1000. */
  busyTimeout?: number;
  /**
   * Whether this process discards unpinned bytes of the region by itself when memory gets short, in a native thread of its own, where the
   * kernel does not. Default: true.
   */
  reclaimer?: boolean;
}

export interface AttachOptions {
  /** Accept a region of this backend only. Default: any that is shared. */
  backend?: Backend;
  /** As in CreateOptions. */
  busyTimeout?: number;
  /** As in CreateOptions; each process that is attached has a choice of its own. */
  reclaimer?: boolean;
}

const backends: readonly string[] = ['ashmem', 'vrange', 'memfd', 'anonymous'];

function backendName(value: unknown): Backend | '' {
  if (value === undefined) return '';
  if (typeof value !== 'string') throw typeError('backend', 'a string', value);
  if (!backends.includes(value)) throw valueError('backend', `one of ${backends.join(', ')}`, value);
  return value as Backend;
}

function busyTimeout(value: unknown): number {
  return value === undefined ? 1000 : integer('busyTimeout', value, 0, 0xffffffff);
}

function reclaimer(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'boolean') throw typeError('reclaimer', 'a boolean', value);
  return value;
}

/** What regions and all that is made of them have in common: where the memory is from, and what it is called. */
export function memoryOptions(o: Record<string, unknown>) {
  const name = o.name === undefined ? '' : o.name;
  if (typeof name !== 'string') throw typeError('name', 'a string', name);
  if (name.includes('\0')) throw valueError('name', 'without NUL characters', name);
  if (Buffer.byteLength(name) > 249) {
    throw rangeError(`name must be at most 249 bytes, received ${Buffer.byteLength(name)}`);
  }
  const backend = backendName(o.backend);
  const scope = o.scope === undefined ? (backend === 'anonymous' ? 'process' : 'shared') : o.scope;
  if (typeof scope !== 'string') throw typeError('scope', 'a string', scope);
  if (scope !== 'shared' && scope !== 'process') throw valueError('scope', "'shared' or 'process'", scope);
  return {
    name,
    backend,
    scope: scope as Scope,
    maxProcesses: o.maxProcesses === undefined ? 0 : integer('maxProcesses', o.maxProcesses, 1, 1020),
    busyTimeout: busyTimeout(o.busyTimeout),
    reclaimer: reclaimer(o.reclaimer),
  };
}

/** Checked options of SharedRegion.create, with defaults; 0 and '' mean "the core's choice". */
export function createOptions(options: unknown, pageSize: number) {
  const o = object('options', options);
  const memory = memoryOptions(o);
  const size = integer('size', o.size, 1, Number.MAX_SAFE_INTEGER);
  const granularity =
    o.granularity === undefined ? 0 : integer('granularity', o.granularity, pageSize, 2 ** 52);
  if (granularity !== 0 && !Number.isInteger(Math.log2(granularity))) {
    throw rangeError(`granularity must be a power of two, received ${show(granularity)}`);
  }
  return { ...memory, size, granularity };
}

/** Refuses a backend that does not have the scope. */
export function checkScope(backend: Backend | '', scope: Scope): void {
  if (backend === 'anonymous' && scope === 'shared') {
    throw new AshmemError(
      'ERR_NOT_SHAREABLE',
      "backend 'anonymous' has scope 'process': no other process can have it",
    );
  }
  if (backend !== '' && backend !== 'anonymous' && scope === 'process') {
    throw new AshmemError(
      'ERR_BACKEND_UNAVAILABLE',
      `backend '${backend}' is shared; scope 'process' has 'anonymous'`,
    );
  }
}

/** Checked arguments of SharedRegion.fromFd. */
export function attachOptions(fd: unknown, options: unknown) {
  const o = object('options', options === undefined ? {} : options);
  return {
    fd: integer('fd', fd, 0, 0x7fffffff),
    backend: backendName(o.backend),
    busyTimeout: busyTimeout(o.busyTimeout),
    reclaimer: reclaimer(o.reclaimer),
  };
}
