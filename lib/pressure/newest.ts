/**
 * An async iterator over states of something that changes: who asks late gets the newest, not those that it has replaced. Several next()
 * calls that wait are served in their order.
 */
export class Newest<T> implements AsyncIterableIterator<T> {
  readonly #onEnd: (iterator: Newest<T>) => void;
  #newest: T | undefined;
  #has = false;
  #ended = false;
  #waiting: ((result: IteratorResult<T>) => void)[] = [];

  /** @param onEnd called once when it ends, from either side */
  constructor(onEnd: (iterator: Newest<T>) => void) {
    this.#onEnd = onEnd;
  }

  push(value: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting({ done: false, value });
    } else {
      this.#newest = value;
      this.#has = true;
    }
  }

  /** What was pushed and not taken is dropped. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#has = false;
    this.#newest = undefined;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
    this.#onEnd(this);
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    if (!this.#has) return new Promise((resolve) => this.#waiting.push(resolve));
    const value = this.#newest as T;
    this.#has = false;
    this.#newest = undefined;
    return Promise.resolve({ done: false, value });
  }

  return(): Promise<IteratorResult<T>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
