// Before tests, examples and benchmarks: builds whatever is missing or older than its sources. Install scripts may have been
// switched off, and then `npm ci` has built nothing. Called by name, not as a "pre" script, because npm may skip those too.
// --core: also the core's own tests and the C++ programs that other tests start. Silent unless something fails.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { BuildError, ensureAddon, orExplain, root } from './addon.mjs';
import { ensureLib } from './build-lib.mjs';

function cmake(...args) {
  const child = spawnSync('cmake', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (child.error) throw new BuildError(`cmake: ${child.error.message}`);
  if (child.status !== 0) throw new BuildError(`${child.stdout}${child.stderr}\ncompiling the core failed`);
}

function ensureCore() {
  cmake('-S', '.', '-B', 'build/core', '-DASHMEM_COMPAT_TESTS=ON', '-DASHMEM_COMPAT_WERROR=ON');
  cmake('--build', 'build/core', '--parallel', String(availableParallelism()));
}

orExplain(() => {
  ensureAddon();
  ensureLib();
  if (process.argv.includes('--core')) ensureCore();
});
