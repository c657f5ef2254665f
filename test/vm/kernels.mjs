// The kernels that a machine can be booted with. Each is prepared when first asked for, and kept under build/vm.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cache, takeFromRelease } from './packages.mjs';
import { buildVrangeKernel } from './vrange-kernel/build.mjs';

// In the order in which they are loaded, for nothing in the initrd resolves dependencies.
const filesystems = [
  'virtio',
  'virtio_ring',
  'virtio_pci',
  '9pnet',
  '9pnet_virtio',
  'fscache',
  '9p',
  'overlay',
];
const ashmemModules = [...filesystems, 'zsmalloc', 'zram', 'ashmem_linux'];

const busyboxPackage = {
  what: 'busybox-static',
  prefix: 'busybox-static',
  pattern: /^busybox-static$/,
  files: ['./bin/busybox'],
};

/** Debian's kernel of bullseye, the last that was built with ashmem. */
function ashmem() {
  const folder = join(cache, 'ashmem');
  if (!existsSync(folder)) {
    takeFromRelease(
      'bullseye',
      [
        {
          what: 'linux-image-5.10.0-*-amd64',
          prefix: 'linux-image-5.10.0-',
          pattern: /^linux-image-5\.10\.0-(\d+)-amd64(?:-unsigned)?$/,
          files: ['./boot/vmlinuz-*', ...ashmemModules.map((name) => `*/${name}.ko`)],
        },
        busyboxPackage,
      ],
      folder,
    );
  }
  return {
    image: join(
      folder,
      readdirSync(folder).find((name) => name.startsWith('vmlinuz-')),
    ),
    busybox: join(folder, 'busybox'),
    modules: ashmemModules.map((name) => join(folder, `${name}.ko`)),
  };
}

/** Our own kernel with vrange, which needs no modules. */
function vrange(options) {
  const folder = join(cache, 'busybox');
  if (!existsSync(folder)) takeFromRelease('bullseye', [busyboxPackage], folder);
  return { image: buildVrangeKernel(options), busybox: join(folder, 'busybox'), modules: [] };
}

export const kernels = { ashmem, vrange, 'vrange-debug': () => vrange({ debug: true }) };
