import { integer, object } from '../arguments.ts';
import { rangeError, show, typeError } from '../errors.ts';
import { checkPriority } from '../region/priority.ts';
import type { Turn } from './budget.ts';
import { isLie } from './shares.ts';

/** A cache of the application's own that can give memory back. Its methods are called as methods of this object. */
export interface ShrinkerOptions {
  /** For people: shows in the warning. At most 200 characters. */
  name: string;
  /** Bytes that it could free now. Called often while memory is short: must be cheap. */
  count(): number;
  /** Frees about `bytes`, at least 1 and at most what count() said, and gives what it has freed. */
  scan(bytes: number): number | Promise<number>;
  /** What a byte is worth beside those of other shrinkers, above 0: twice the cost, half the share. Default: 1. */
  cost?: number;
  /**
   * Ask it beside the regions, as soon as those of this priority (and the cheaper ones) have nothing left to discard. Default: after all
   * regions.
   */
  priority?: 'cheap' | 'normal' | 'precious';
  /** Milliseconds, 1 to 2^31 - 1, after which a scan() that has not settled counts as stalled. Default: 1000. */
  timeLimit?: number;
}

/** What became of a shrinker so far. */
export interface ShrinkerStats {
  /** Bytes that it was asked for. */
  asked: number;
  /** Calls of scan(). */
  scans: number;
  /** Bytes by which count() fell in its scans. */
  freed: number;
  /** Bytes that it says it has freed. */
  claimed: number;
  /** Exceptions, rejected promises, and results that are no number of bytes; of count() too. */
  failures: number;
  /** Scans that say they have freed more than count() fell by, by more than an eighth or 4 KiB. */
  lies: number;
  /** Scans that have not settled within the time limit. */
  stalled: number;
  /** A scan is under way, and no other begins. */
  busy: boolean;
}

const now = () => Number(process.hrtime.bigint() / 1000n);

function method(options: Record<string, unknown>, name: string): (...args: unknown[]) => unknown {
  const value = options[name];
  if (typeof value !== 'function') throw typeError(name, 'a function', value);
  return (...args) => Reflect.apply(value, options, args);
}

function bytesOf(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new Error(`${name} gave ${show(value)}, which is no number of bytes`);
  }
  return Math.floor(value);
}

/** One registered shrinker: calls it, and keeps book. Nothing that it does comes out of here as an exception. */
export class Shrinker {
  readonly name: string;
  readonly turn: Turn;
  readonly cost: number;
  readonly #count: () => unknown;
  readonly #scan: (bytes: number) => unknown;
  readonly #timeLimit: number;
  readonly #stats = { asked: 0, scans: 0, freed: 0, claimed: 0, failures: 0, lies: 0, stalled: 0 };
  #busy = false;
  #outstanding = 0;
  #warned = false;
  #freeSince = 0;

  constructor(options: unknown) {
    const o = object('shrinker', options);
    if (typeof o.name !== 'string') throw typeError('name', 'a string', o.name);
    if (o.name.length > 200) {
      throw rangeError(`name must be at most 200 characters, received ${o.name.length}`);
    }
    this.name = o.name;
    this.#count = method(o, 'count');
    this.#scan = method(o, 'scan');
    this.cost = o.cost === undefined ? 1 : (o.cost as number);
    if (typeof this.cost !== 'number') throw typeError('cost', 'a number', this.cost);
    if (!(this.cost > 0 && this.cost < Number.POSITIVE_INFINITY)) {
      throw rangeError(`cost must be above 0 and finite, received ${show(this.cost)}`);
    }
    this.turn = o.priority === undefined ? 'last' : checkPriority('priority', o.priority);
    this.#timeLimit = o.timeLimit === undefined ? 1000 : integer('timeLimit', o.timeLimit, 1, 0x7fffffff);
  }

  stats(): ShrinkerStats {
    return { ...this.#stats, busy: this.#busy };
  }

  /** Bytes that it was asked for and may still come; 0 once it has stalled. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** When its last scan ended: microseconds, on the clock of NativeVerdict.at. */
  get freeSince(): number {
    return this.#freeSince;
  }

  /** What it has to give; 0 if it is busy, or cannot say. */
  offer(): number {
    return this.#busy ? 0 : (this.#ask() ?? 0);
  }

  /** Asks for `bytes` of the `count` that it has offered. Returns when it did, which may be before the bytes are free. */
  shrink(bytes: number, count: number): void {
    this.#busy = true;
    this.#outstanding = bytes;
    this.#stats.asked += bytes;
    this.#stats.scans += 1;
    try {
      const result = this.#scan(bytes);
      const promised = typeof (result as PromiseLike<unknown> | null | undefined)?.then === 'function';
      if (promised) this.#await(result as PromiseLike<unknown>, count);
      else this.#settle(count, () => result);
    } catch (error) {
      this.#settle(count, () => {
        throw error;
      });
    }
  }

  #await(promise: PromiseLike<unknown>, count: number): void {
    const timer = setTimeout(() => {
      this.#stats.stalled += 1;
      this.#outstanding = 0;
      this.#warn(`scan() has not settled within ${this.#timeLimit} ms`);
    }, this.#timeLimit);
    timer.unref();
    const end = (result: () => unknown) => {
      clearTimeout(timer);
      this.#settle(count, result);
    };
    // Resolved, so that a thenable of any make settles once.
    Promise.resolve(promise).then(
      (value) => end(() => value),
      (error) =>
        end(() => {
          throw error;
        }),
    );
  }

  #settle(before: number, result: () => unknown): void {
    let claimed: number | undefined;
    try {
      claimed = bytesOf('scan()', result());
    } catch (error) {
      this.#fail(error);
    }
    const after = this.#ask();
    const measured = after === undefined ? undefined : Math.max(0, before - after);
    this.#stats.claimed += claimed ?? 0;
    this.#stats.freed += measured ?? 0;
    if (claimed !== undefined && measured !== undefined && isLie(claimed, measured)) {
      this.#stats.lies += 1;
      this.#warn(`scan() says that it has freed ${claimed} bytes, but count() fell by ${measured}`);
    }
    this.#busy = false;
    this.#outstanding = 0;
    this.#freeSince = now();
  }

  #ask(): number | undefined {
    try {
      return Math.min(bytesOf('count()', this.#count()), Number.MAX_SAFE_INTEGER);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    this.#stats.failures += 1;
    let text = 'something that cannot be shown';
    try {
      text = error instanceof Error ? String(error.message) : show(error);
    } catch {}
    this.#warn(text);
  }

  /** Once: what fails at every round is not told at every round. */
  #warn(what: string): void {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`shrinker ${JSON.stringify(this.name)}: ${what}`, {
      type: 'AshmemWarning',
      code: 'ASHMEM_SHRINKER',
      detail: 'What it does from here on is counted in stats() without a warning.',
    });
  }
}
