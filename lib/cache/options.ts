import { integer, object } from '../arguments.ts';
import { encodeJson } from '../channel/json.ts';
import { AshmemError, typeError } from '../errors.ts';
import { attachOptions, createOptions } from '../region/options.ts';
import { checkPriority, priorityNumber } from '../region/priority.ts';
import type { SetOptions } from './types.ts';

const DEFAULT_FILL_TIMEOUT = 10_000;
const encoder = new TextEncoder();

/** Checked: what a cache object knows besides its memory. */
export interface Manners {
  fillTimeout: number;
  ttl: number;
  warnUnreleased: boolean;
}

function manners(o: Record<string, unknown>): Manners {
  const { fillTimeout, ttl, warnUnreleased } = o;
  if (warnUnreleased !== undefined && typeof warnUnreleased !== 'boolean') {
    throw typeError('warnUnreleased', 'a boolean', warnUnreleased);
  }
  return {
    fillTimeout:
      fillTimeout === undefined ? DEFAULT_FILL_TIMEOUT : integer('fillTimeout', fillTimeout, 1, 0xffffffff),
    ttl: ttl === undefined ? 0 : integer('ttl', ttl, 0, Number.MAX_SAFE_INTEGER),
    warnUnreleased: warnUnreleased === true,
  };
}

/** Checked options of VolatileCache.create, with defaults; 0 and '' mean "the core's choice". */
export function cacheOptions(options: unknown, pageSize: number) {
  const o = object('options', options);
  const capacity = integer('capacity', o.capacity, 1, Number.MAX_SAFE_INTEGER);
  const region = createOptions({ ...o, size: capacity, granularity: undefined }, pageSize);
  if (region.backend === 'anonymous' && region.scope === 'shared') {
    throw new AshmemError(
      'ERR_NOT_SHAREABLE',
      "backend 'anonymous' has scope 'process': no other process can have it",
    );
  }
  return {
    ...region,
    ...manners(o),
    capacity: Math.max(capacity, pageSize),
    maxEntries: o.maxEntries === undefined ? 0 : integer('maxEntries', o.maxEntries, 1, 2 ** 27),
  };
}

/** Checked arguments of VolatileCache.fromFd. */
export function cacheAttachOptions(fd: unknown, options: unknown) {
  const o = object('options', options === undefined ? {} : options);
  return { ...attachOptions(fd, o), ...manners(o) };
}

/** What goes with an entry, as the addon takes it. */
export interface Extras {
  meta: Uint8Array | undefined;
  priority: number;
  ttl: number;
}

const plain: SetOptions = {};

export function extras(options: SetOptions | undefined, ttl: number): Extras {
  const o = options === undefined ? plain : (object('options', options) as SetOptions);
  return {
    meta: o.meta === undefined ? undefined : encoder.encode(encodeJson(o.meta, 'meta')),
    priority: o.priority === undefined ? 0 : priorityNumber(checkPriority('priority', o.priority)),
    ttl: o.ttl === undefined ? ttl : integer('ttl', o.ttl, 0, Number.MAX_SAFE_INTEGER),
  };
}
