/** Thumbnails fit into a square of so many pixels, of three bytes each. */
export const THUMBNAIL_EDGE = 512;
export const CHANNELS = 3;

/** An index entry has a cache line to itself, so that workers busy with neighbouring slots do not slow each other down. */
export const ENTRY_BYTES = 64;

/**
 * Where things are in the region:
 *
 *     | index | slot 0 | slot 1 | ...
 *
 * Photograph number n has slot number n. Slots are equally large and made of whole units, so that each can be pinned and purged
 * by itself. The index has units of its own and stays pinned: it says what the slots hold, and must survive when they are purged.
 */
export class Layout {
  readonly slots: number;
  readonly slotBytes: number;
  readonly indexBytes: number;

  constructor(slots: number, unit: number) {
    const wholeUnits = (bytes: number) => Math.ceil(bytes / unit) * unit;
    this.slots = slots;
    this.slotBytes = wholeUnits(THUMBNAIL_EDGE * THUMBNAIL_EDGE * CHANNELS);
    this.indexBytes = wholeUnits(slots * ENTRY_BYTES);
  }

  /** How many slots `capacity` bytes have room for. */
  static slotsIn(capacity: number, unit: number): number {
    let slots = Math.floor(capacity / new Layout(1, unit).slotBytes);
    while (slots > 0 && new Layout(slots, unit).size > capacity) slots--;
    return slots;
  }

  get size(): number {
    return this.indexBytes + this.slots * this.slotBytes;
  }

  slotOffset(slot: number): number {
    return this.indexBytes + slot * this.slotBytes;
  }
}
