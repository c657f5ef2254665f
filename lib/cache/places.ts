/** Where an entry is: a record never has the same version twice, so no key need be compared to know it again. */
interface Place {
  record: number;
  version: number;
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

  remember(key: string, record: number, version: number): void {
    const place = this.#places.get(key);
    if (place !== undefined) {
      place.record = record;
      place.version = version;
      return;
    }
    if (key.length > LONGEST) return;
    if (this.#places.size >= MOST) this.#places.clear();
    this.#places.set(key, { record, version });
  }

  clear(): void {
    this.#places.clear();
  }
}
