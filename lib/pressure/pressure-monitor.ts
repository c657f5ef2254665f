import { EventEmitter } from 'node:events';
import { emitToEach } from '../emit.ts';
import { typeError } from '../errors.ts';
import { native } from '../native.ts';
import type { NativeMonitor, NativeVerdict } from './native-types.ts';
import { Newest } from './newest.ts';
import { type PressureOptions, pressureOptions } from './options.ts';
import { levelOf, type PressureLevel, type PressureState, stateOf } from './state.ts';

/** The events of a PressureMonitor, with what their listeners are given. */
export interface PressureEvents {
  level: [level: PressureLevel, state: PressureState];
  pressure: [state: PressureState];
}

/** Only start() makes monitors; JavaScript does not know private constructors. */
const key = Symbol('ashmem-compat.key');

/**
 * Tells how short memory is. All monitors of a process share one native thread, which watches even while event loops are blocked.
 *
 * Events:
 * - 'level' (level, state): the level is another than it was at the last event.
 * - 'pressure' (state): after each look of the watcher while the level is not 'none', and once when it has become 'none'; at most every
 *   10 ms. What came while the event loop was busy is told as one: the newest.
 *
 * An error that a listener throws is an uncaught exception, as with any emitter; the other listeners are told all the same.
 *
 * `for await (const state of monitor)` gives the same states, and begins with the present one if its level is not 'none'. A consumer that
 * is slower than the news gets the newest. It ends with break, return, or close().
 *
 * An open monitor keeps neither the process nor a worker alive, and so does a `for await` that waits on it (Node then ends with status 13
 * if that is the program's top level), unless ref() was called. It works until close(), even if nobody refers to it any more, as a timer does.
 */
export class PressureMonitor
  extends EventEmitter<PressureEvents>
  implements AsyncIterable<PressureState>, Disposable
{
  readonly #native: NativeMonitor;
  readonly #iterators = new Set<Newest<PressureState>>();
  #told: PressureLevel = 'none';
  #closed = false;

  private constructor(made: symbol, options: PressureOptions | undefined) {
    if (made !== key) throw typeError('PressureMonitor', 'made by PressureMonitor.start', made);
    super();
    const { sources, low, medium, critical } = pressureOptions(options, native.pressureSources);
    this.#native = native.openMonitor(sources, low, medium, critical, (verdict) => this.#hear(verdict));
  }

  /**
   * Begins to watch. A listener that is added at once hears of a level that is there already.
   *
   * Errors: TypeError ERR_INVALID_ARG_TYPE; TypeError ERR_INVALID_ARG_VALUE (a name that is no source, or no source at all); RangeError
   * ERR_OUT_OF_RANGE (watermarks that are not above 0, or rise from low to critical); ERR_SYSTEM (pthread_create(3), eventfd(2)).
   */
  static start(options?: PressureOptions): PressureMonitor {
    return new PressureMonitor(key, options);
  }

  /**
   * The level now: asked from the watcher, so true also while the event loop is blocked, and ahead of the events. After close() the last
   * that was heard.
   */
  get level(): PressureLevel {
    return levelOf(native.monitorVerdict(this.#native));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From here on it keeps the event loop alive, until close() or unref(). Safe to repeat. */
  ref(): this {
    native.holdMonitor(this.#native, true);
    return this;
  }

  /** Takes ref() back. */
  unref(): this {
    native.holdMonitor(this.#native, false);
    return this;
  }

  /** No event comes any more, and iterators end. Safe to repeat, at any moment. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native.closeMonitor(this.#native);
    for (const iterator of [...this.#iterators]) iterator.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<PressureState> {
    const iterator = new Newest<PressureState>((ended) => this.#iterators.delete(ended));
    this.#iterators.add(iterator);
    if (this.#closed) iterator.end();
    const present = stateOf(native.monitorVerdict(this.#native));
    if (present.level !== 'none') iterator.push(present);
    return iterator;
  }

  #hear(verdict: NativeVerdict): void {
    const state = stateOf(verdict);
    const changed = state.level !== this.#told;
    // Rose and fell again before anybody could be told.
    if (!changed && state.level === 'none') return;
    this.#told = state.level;
    for (const iterator of [...this.#iterators]) iterator.push(state);
    if (changed) emitToEach(this, 'level', state.level, state);
    if (!this.#closed) emitToEach(this, 'pressure', state);
  }
}
