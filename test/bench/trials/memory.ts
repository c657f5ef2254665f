// What a region costs beside its data. Argument: bytes. `control`: bytes of the control area by the header, `file`: by fstat;
// `attached`, `pinned`: private memory of one more object of the region, before and after it has pinned every unit.

import { fstatSync, readFileSync, readSync } from 'node:fs';
import { report } from './measure.ts';
import { SharedRegion } from './package.ts';

const size = Number(process.argv[2]);
const OBJECTS = 8;

/** By docs/protocol.md: the header is the last 512 bytes, and has the offset of the control area at 48. */
function controlBytes(fd: number): { control: number; file: number } {
  const file = fstatSync(fd).size;
  const header = Buffer.alloc(512);
  readSync(fd, header, 0, 512, file - 512);
  const units = Number(header.readBigUInt64LE(32));
  const slots = header.readUInt32LE(40);
  const rows = Math.max(0, slots - header.readUInt32LE(44));
  const stamps = header.readBigUInt64LE(24) < 8192n ? Math.ceil(units / 2) : units;
  const control =
    slots * 64 + 15 * 8 + rows * Math.ceil(units / 512) * 64 + units * (8 + 4) + stamps * 4 + 512;
  return { control, file: file - Number(header.readBigUInt64LE(48)) };
}

/** Private anonymous memory of this process; the region's own pages are not in it. */
function privateBytes(): number {
  const kib = /^Anonymous: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'));
  if (!kib) throw new Error('no Anonymous in smaps_rollup');
  return Number(kib[1]) * 1024;
}

const region = SharedRegion.create({ size, granularity: 4096 });
region.unpin();
const { control, file } = controlBytes(region.fd);

const settled = () => {
  globalThis.gc?.();
  return privateBytes();
};
SharedRegion.fromFd(region.fd).close();
const before = settled();
const objects = Array.from({ length: OBJECTS }, () => SharedRegion.fromFd(region.fd));
const attached = settled();
for (const object of objects) object.pin();
const pinned = settled();
for (const object of objects) object.close();

report({
  control: [control],
  file: [file],
  attached: [(attached - before) / OBJECTS],
  pinned: [(pinned - before) / OBJECTS],
});
