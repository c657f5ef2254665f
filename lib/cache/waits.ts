import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';
import type { CacheMemory } from './memory.ts';

const { cacheMailbox: mailbox } = native;

/** A fill of somebody's, as the addon names it. A token of 0 is no fill in particular. */
export interface Ticket {
  slot: number;
  token: number;
}

interface Wait {
  over(orphaned: boolean): void;
  fail(error: unknown): void;
}

// Of all caches of this thread, by number: the addon knows them by these.
const waits = new Map<number, Wait>();
let last = 0;

native.onFillOver((id, why) => {
  const wait = waits.get(id);
  waits.delete(id);
  wait?.over(why !== 0);
});

/** The waits of one cache object for fills of others. */
export class Waits {
  readonly #memory: CacheMemory;
  readonly #own = new Set<number>();

  constructor(memory: CacheMemory) {
    this.#memory = memory;
  }

  /**
   * Until the fill is over. True: its filler is dead or stuck, so it is for others to take it over. Rejects with the signal's reason, or
   * ERR_REGION_CLOSED.
   */
  wait(ticket: Ticket, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const id = ++last;
      const end = () => {
        this.#own.delete(id);
        waits.delete(id);
        signal?.removeEventListener('abort', abort);
      };
      const abort = () => {
        end();
        mailbox[0] = this.#memory.id;
        mailbox[3] = id;
        native.cacheUnwait();
        reject(signal?.reason);
      };
      waits.set(id, {
        over: (orphaned) => {
          end();
          resolve(orphaned);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      });
      this.#own.add(id);
      mailbox[0] = this.#memory.id;
      mailbox[3] = id;
      mailbox[5] = ticket.slot;
      mailbox[6] = ticket.token;
      native.cacheWait();
      if (mailbox[2] === -1) {
        end();
        reject(this.#memory.error());
        return;
      }
      signal?.addEventListener('abort', abort);
    });
  }

  /** The cache is closed. */
  close(): void {
    const error = new AshmemError('ERR_REGION_CLOSED', 'the cache is closed');
    for (const id of [...this.#own]) waits.get(id)?.fail(error);
  }
}
