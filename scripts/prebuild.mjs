// Makes the binaries that the package ships: prebuilds/NAME-vVERSION-napi-v8-PLATFORM-ARCH.tar.gz, which prebuild writes, and the
// same binary unpacked as prebuilds/PLATFORM-ARCH/ashmem_compat.node, which works where install scripts are blocked.
// Works in a copy of the sources under build/prebuild, because prebuild removes the build folder of the project that it builds.
// Speaks on standard error: `npm pack --json` runs it too.
// --if-stale: only if the unpacked binary is missing or older than the sources.

import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import {
  addonSources,
  BuildError,
  binaryName,
  isFresh,
  orExplain,
  root,
  run,
  shippedBinary,
  tryLoad,
} from './addon.mjs';

function stageSources() {
  const stage = join(root, 'build/prebuild');
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['native', 'CMakeLists.txt', 'package.json']) {
    cpSync(join(root, name), join(stage, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'));
  return stage;
}

/** A shipped binary must load on machines with another C++ library, or none: it may need libc alone. */
function checkDependencies(binary) {
  const needed = [...run('readelf', ['-dW', binary]).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
    (match) => match[1],
  );
  const foreign = needed.filter((name) => /libstdc\+\+|libgcc_s|libc\+\+/.test(name));
  if (foreign.length > 0)
    throw new BuildError(`${binary} needs ${foreign.join(', ')}, which must be linked statically`);
  if (/\.symtab|\.debug_info/.test(run('readelf', ['-SW', binary])))
    throw new BuildError(`${binary} is not stripped`);
  const versions = [...run('readelf', ['-VW', binary]).matchAll(/GLIBC_(\d+)\.(\d+)/g)];
  const glibc = Math.max(0, ...versions.map((match) => Number(match[1]) * 1000 + Number(match[2])));
  const floor = glibc ? `; glibc ${Math.floor(glibc / 1000)}.${glibc % 1000} or newer` : '';
  console.error(`needs ${needed.join(', ') || 'nothing'}${floor}`);
}

function prebuild() {
  const stage = stageSources();
  const tool = createRequire(import.meta.url).resolve('prebuild/bin.js');
  const jobs = String(availableParallelism());
  const args = ['--backend', 'cmake-js', '--runtime', 'napi', '--all', '--strip', '--', '--parallel', jobs];
  run(process.execPath, [tool, ...args], { cwd: stage });

  const binary = join(stage, 'build/Release', binaryName);
  checkDependencies(binary);
  const reason = tryLoad(binary);
  if (reason) throw new BuildError(`the prebuilt binary does not load: ${reason}`);

  mkdirSync(dirname(shippedBinary), { recursive: true });
  const tarballs = readdirSync(join(stage, 'prebuilds')).filter((name) => name.endsWith('.tar.gz'));
  if (tarballs.length === 0) throw new BuildError('prebuild wrote no tarball');
  for (const name of tarballs) {
    copyFileSync(join(stage, 'prebuilds', name), join(root, 'prebuilds', name));
    console.error(`prebuilds/${name}`);
  }
  rmSync(shippedBinary, { force: true });
  copyFileSync(binary, shippedBinary);
  console.error(shippedBinary.slice(root.length));
  rmSync(stage, { recursive: true, force: true });
}

orExplain(() => {
  if (process.argv.includes('--if-stale') && isFresh(shippedBinary, addonSources) && !tryLoad(shippedBinary))
    return;
  prebuild();
});
