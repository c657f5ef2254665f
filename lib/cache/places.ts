/** Where an entry is: a record never has the same version twice, so no key need be compared to know it again. */
export interface Place {
  readonly record: number;
  readonly version: number;
  /** The entry's bytes, once somebody has asked for them: a view costs more than finding the entry does. */
  bytes: Uint8Array | undefined;
}

/** Keys remembered at most: then all are forgotten, and those in use are back soon. */
const MOST = 16_384;
/** Longer keys are not worth keeping. */
const LONGEST = 256;

/**
 * Where this object found its latest keys, so that it need not hand them over, hash and compare them each time. What has moved is
 * looked up again.
 */
export class Places {
  readonly #places = new Map<string, Place>();

  get(key: string): Place | undefined {
    return this.#places.get(key);
  }

  remember(key: string, record: number, version: number): Place | undefined {
    if (key.length > LONGEST) return undefined;
    if (this.#places.size >= MOST) this.#places.clear();
    const place = { record, version, bytes: undefined };
    this.#places.set(key, place);
    return place;
  }

  clear(): void {
    this.#places.clear();
  }
}
