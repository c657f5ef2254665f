import { typeError } from '../errors.ts';
import { native } from '../native.ts';
import { Entry } from './entry.ts';
import { keepKey, writeKey } from './key.ts';
import type { CacheMemory } from './memory.ts';
import { extras } from './options.ts';
import type { CacheKey, Fill, Filled, FillOptions, SetOptions } from './types.ts';
import type { Ticket, Waits } from './waits.ts';

const { cacheMailbox: mailbox } = native;

/** What mailbox[4] says of who publishes an entry: native/addon/cache.cc. */
export const PUBLISH_SET = 0;
export const PUBLISH_AND_HOLD = 1;
const PUBLISH_FILL = 2;

/** What begin_fill() says: native/core/cache/cache.h. */
const THERE = 0;
const MINE = 1;

/** An entry that seems to be there and is not got so often is filled all the same. */
const LOOKS = 4;

export interface FillJob {
  memory: CacheMemory;
  waits: Waits;
  ttl: number;
}

function outcome(memory: CacheMemory): number {
  const result = mailbox[2] as number;
  if (result === -1) throw memory.error();
  return result;
}

function begin(memory: CacheMemory, key: CacheKey, takeOver: number, insist: boolean): number {
  memory.assertOpen();
  writeKey(key);
  mailbox[0] = memory.id;
  mailbox[4] = insist ? 1 : 0;
  mailbox[6] = takeOver;
  native.cacheBeginFill();
  return outcome(memory);
}

function peek(memory: CacheMemory, key: CacheKey): Entry | undefined {
  writeKey(key);
  mailbox[0] = memory.id;
  mailbox[3] = 0;
  native.cacheGet();
  return outcome(memory) === 0 ? undefined : new Entry(memory);
}

function end(memory: CacheMemory, ticket: Ticket): void {
  if (memory.closed) return;
  mailbox[0] = memory.id;
  mailbox[5] = ticket.slot;
  mailbox[6] = ticket.token;
  native.cacheEndFill();
}

function bytesOf(filled: Filled): { bytes: Uint8Array; options: SetOptions | undefined } {
  if (filled instanceof Uint8Array) return { bytes: filled, options: undefined };
  const bytes = (filled as { bytes?: unknown } | null | undefined)?.bytes;
  if (!(bytes instanceof Uint8Array)) {
    throw typeError('what fill gives', 'a Uint8Array, or an object with one as `bytes`', filled);
  }
  return { bytes, options: filled };
}

/** Whatever `work` comes to, unless the signal is first. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function run(
  { memory, ttl }: FillJob,
  key: CacheKey,
  fill: Fill,
  options: FillOptions,
  ticket: Ticket,
): Promise<Entry> {
  let mine = true;
  try {
    const signal = options.signal ?? new AbortController().signal;
    const work = new Promise<Filled>((resolve) => resolve(fill(key, { signal })));
    const { bytes, options: given } = bytesOf(await unlessAborted(work, options.signal));
    const { meta, priority, ttl: own } = extras({ ...options, ...given }, ttl);
    memory.assertOpen();
    writeKey(key);
    mailbox[0] = memory.id;
    mailbox[2] = own;
    mailbox[3] = priority;
    mailbox[4] = PUBLISH_FILL;
    mailbox[5] = ticket.slot;
    mailbox[6] = ticket.token;
    native.cachePut(bytes, meta);
    outcome(memory);
    mine = false;
    return new Entry(memory);
  } finally {
    if (mine) end(memory, ticket);
  }
}

/** getOrFill() of a key that was not there. */
export async function fillOnce(
  job: FillJob,
  someKey: CacheKey,
  fill: Fill,
  options: FillOptions,
): Promise<Entry> {
  const { memory, waits } = job;
  const { signal } = options;
  const key = keepKey(someKey);
  let takeOver = 0;
  let waited = false;
  for (let looks = 0; ; ) {
    signal?.throwIfAborted();
    const state = begin(memory, key, takeOver, looks >= LOOKS);
    const ticket = { slot: mailbox[5] as number, token: mailbox[6] as number };
    if (state === MINE) return run(job, key, fill, options, ticket);
    if (state === THERE) {
      const entry = peek(memory, key);
      if (entry) return entry;
      looks++;
      continue;
    }
    if (!waited) {
      waited = true;
      mailbox[0] = memory.id;
      native.cacheCountWait();
    }
    takeOver = (await waits.wait(ticket, signal)) ? ticket.token : 0;
  }
}
