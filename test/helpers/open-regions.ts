import { type AttachOptions, SharedRegion } from '../../lib/index.ts';

/** Regions that a test has opened, so that they can be closed after it, whatever it was about. */
export class OpenRegions {
  readonly #open: SharedRegion[] = [];

  /** Keeps it in mind, and gives it back. */
  add(region: SharedRegion): SharedRegion {
    this.#open.push(region);
    return region;
  }

  /** Another object on the same region. */
  attach(to: SharedRegion, options?: AttachOptions): SharedRegion {
    return this.add(SharedRegion.fromFd(to.fd, options));
  }

  close(): void {
    for (const region of this.#open.splice(0)) region.close();
  }
}
