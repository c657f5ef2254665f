// The header of a region's file, read without the addon: docs/protocol.md, "Layout".

/** Bytes of the header, at the end of the file. */
export const HEADER_BYTES = 512;

export type RegionKind = 'region' | 'pool' | 'cache';

/** Where everything is in the file, and what the header says of the region. Numbers fit, or there is no header. */
export interface Header {
  kind: RegionKind;
  name: string;
  size: number;
  granularity: number;
  unitCount: number;
  slotCount: number;
  /** Slots from here on have their holder bits in rows. */
  wordSlots: number;
  /** Bytes of a row. */
  rowBytes: number;
  slotsOffset: number;
  namespacesOffset: number;
  wordsOffset: number;
  rowsOffset: number;
  generationsOffset: number;
  /** 0 in a plain region, as the annex. */
  spansOffset: number;
  annexOffset: number;
  annexSize: number;
  creator: bigint;
  creatorHold: bigint;
  priority: 'normal' | 'cheap' | 'precious';
  discarded: number;
  discardedByKernel: number;
}

const kinds: readonly RegionKind[] = ['region', 'pool', 'cache'];
const priorities = ['normal', 'cheap', 'precious'] as const;

const aligned = (offset: number) => Math.ceil(offset / 64) * 64;

interface Tables {
  controlOffset: number;
  unitCount: number;
  rowBytes: number;
  slots: number;
  namespaces: number;
  words: number;
  rows: number;
  generations: number;
  stamps: number;
  spans: number;
  annex: number;
  end: number;
}

/** What make_layout() in native/core/pins/layout.cc makes of the same numbers. */
function tables(
  size: number,
  granularity: number,
  slotCount: number,
  wordSlots: number,
  kind: number,
  annexSize: number,
): Tables {
  const unitCount = Math.ceil(size / granularity);
  const controlOffset = unitCount * granularity;
  const rowCount = Math.max(0, slotCount - wordSlots);
  const rowBytes = rowCount === 0 ? 0 : Math.ceil(unitCount / 512) * 64;
  const stampCount = granularity < 8192 ? Math.ceil(unitCount / 2) : unitCount;
  let end = controlOffset;
  const place = (count: number, bytes: number) => {
    const at = aligned(end);
    end = at + count * bytes;
    return at;
  };
  const slots = place(slotCount, 64);
  const namespaces = place(15, 8);
  const words = place(unitCount, 8);
  const rows = place(rowCount, rowBytes);
  const generations = place(unitCount, 4);
  const stamps = place(stampCount, 4);
  const spans = kind === 0 ? 0 : place(unitCount, 4);
  const annex = kind === 0 ? 0 : place(annexSize, 1);
  return {
    controlOffset,
    unitCount,
    rowBytes,
    slots,
    namespaces,
    words,
    rows,
    generations,
    stamps,
    spans,
    annex,
    end,
  };
}

/**
 * What the last bytes of a file of `fileSize` bytes say, if it is the file of a region: its tables must lie where they have to. Anybody may
 * have written them.
 */
export function parseHeader(bytes: Buffer, fileSize: number): Header | undefined {
  if (bytes.length !== HEADER_BYTES || bytes.toString('latin1', 0, 8) !== 'ASHMCPT1') return undefined;
  if (bytes.readUInt32LE(8) !== 1 || bytes.readUInt32LE(12) !== HEADER_BYTES) return undefined;
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  const size = number(16);
  const granularity = number(24);
  const slotCount = bytes.readUInt32LE(40);
  const wordSlots = bytes.readUInt32LE(44);
  const nameLength = bytes.readUInt32LE(112);
  const kind = bytes.readUInt32LE(408);
  const annexSize = number(432);
  if (size < 1 || size > fileSize || granularity < HEADER_BYTES || granularity > fileSize) return undefined;
  if (!Number.isInteger(Math.log2(granularity)) || annexSize > fileSize) return undefined;
  if (slotCount < 1 || slotCount > 1020 || nameLength > 249 || kind >= kinds.length) return undefined;
  if (wordSlots !== 0 && wordSlots !== 60) return undefined;
  const t = tables(size, granularity, slotCount, wordSlots, kind, annexSize);
  const rest = fileSize - t.end - HEADER_BYTES;
  // The file ends at a page, and the largest page that there is has 64 KiB.
  if (!Number.isSafeInteger(t.end) || rest < 0 || rest >= 2 ** 16) return undefined;
  const stored = [32, 48, 56, 64, 72, 80, 88, 368, 416, 424].map(number);
  const expected = [
    t.unitCount,
    t.controlOffset,
    t.slots,
    t.namespaces,
    t.words,
    t.rows,
    t.generations,
    t.stamps,
    t.spans,
    t.annex,
  ];
  if (expected.some((value, i) => value !== stored[i]) || (kind === 0 && annexSize !== 0)) return undefined;
  return {
    kind: kinds[kind]!,
    name: bytes.toString('utf8', 116, 116 + nameLength),
    size,
    granularity,
    unitCount: t.unitCount,
    slotCount,
    wordSlots,
    rowBytes: t.rowBytes,
    slotsOffset: t.slots,
    namespacesOffset: t.namespaces,
    wordsOffset: t.words,
    rowsOffset: t.rows,
    generationsOffset: t.generations,
    spansOffset: t.spans,
    annexOffset: t.annex,
    annexSize,
    creator: bytes.readBigUInt64LE(96),
    creatorHold: bytes.readBigUInt64LE(104),
    priority: priorities[bytes.readUInt32LE(400)] ?? 'normal',
    discarded: number(384),
    discardedByKernel: number(392),
  };
}
