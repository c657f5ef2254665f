import { probe } from '../../lib/index.ts';

/** Bytes in a page here: tests use it instead of 4096, so that they run on 16 and 64 KiB pages. */
export const { pageSize } = probe();
