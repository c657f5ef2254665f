import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';
import type { NativePoolHandle } from './native-types.ts';

const { poolMailbox: mailbox } = native;

/** The pool as it is known to its blocks as well: each of them keeps it open. */
export class PoolLink {
  readonly id: number;
  /** Held, so that the pool stays open. */
  readonly handle: NativePoolHandle;
  closed = false;

  constructor(id: number, handle: NativePoolHandle) {
    this.id = id;
    this.handle = handle;
  }

  /** The error of the call that gave `code`. */
  error(code: number): Error {
    if (this.closed || code === 1) return closedError();
    return native.takePoolError();
  }
}

export function closedError(): AshmemError {
  return new AshmemError('ERR_REGION_CLOSED', 'the pool is closed');
}

/** A block's number in the addon, and its pool: what is left to clean up when the Block object is gone. */
interface Remains {
  link: PoolLink;
  index: number;
}

/** Gives the pins of collected blocks back. */
export const collected = new FinalizationRegistry<Remains>(({ link, index }) => {
  if (link.closed) return;
  mailbox[0] = link.id;
  mailbox[1] = index;
  native.poolForget();
});
