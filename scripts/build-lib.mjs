// Compiles lib/ to dist/ and removes what no longer has a source. For a checkout: the package ships dist/ ready.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BuildError, isFresh, orExplain, root } from './addon.mjs';

const lib = join(root, 'lib');
const dist = join(root, 'dist');
const sources = [lib, join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')];

function removeOrphans() {
  for (const name of readdirSync(dist, { recursive: true })) {
    const source = name.replace(/(\.d\.ts|\.js)$/, '.ts');
    if (!existsSync(join(lib, source))) rmSync(join(dist, name), { recursive: true, force: true });
  }
}

export function buildLib() {
  if (process.platform === 'android') {
    console.log(
      'ashmem-compat: skipped dist/: the TypeScript compiler has no build for android; lib/ runs with tsx',
    );
    return;
  }
  let compiler;
  try {
    compiler = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc');
  } catch {
    throw new BuildError('to build dist/ the development dependencies are needed; run: npm ci');
  }
  const child = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (child.status !== 0) throw new BuildError('compiling lib/ failed');
  removeOrphans();
}

export function ensureLib() {
  if (!isFresh(join(dist, 'index.js'), sources)) buildLib();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) orExplain(buildLib);
