// The archive that the kernel unpacks as its first root: cpio in the format "newc".

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../../scripts/addon.mjs';

function padded(buffer) {
  return Buffer.concat([buffer, Buffer.alloc(-buffer.length & 3)]);
}

function entry(name, mode, content, inode) {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(header)), padded(content)]);
}

/** busybox, test/vm/init, and the modules with a list of their order. */
export function makeInitrd({ busybox, modules }) {
  const folder = (name) => [name, 0o040755, Buffer.alloc(0)];
  const program = (name, content) => [name, 0o100755, content];
  const entries = [
    folder('bin'),
    folder('modules'),
    program('bin/busybox', readFileSync(busybox)),
    ['bin/sh', 0o120777, Buffer.from('busybox')],
    program('init', readFileSync(join(root, 'test/vm/init'))),
    program('modules/order', Buffer.from(modules.map((path) => `${basename(path)}\n`).join(''))),
    ...modules.map((path) => program(`modules/${basename(path)}`, readFileSync(path))),
    ['TRAILER!!!', 0, Buffer.alloc(0)],
  ];
  return Buffer.concat(entries.map(([name, mode, content], i) => entry(name, mode, content, i + 1)));
}
