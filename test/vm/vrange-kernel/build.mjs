// Builds the kernel with vrange: Debian's linux-source-6.1, vrange.patch and the configuration beside this file. Kept under build/vm/vrange
// and built again when one of the three has changed; what the change does not reach is not compiled again.
// Usage: npm run vm:vrange [-- --debug]     the kernel with lock checking and sanitizer

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache, ensureInstalled, takeFromRelease, Unavailable } from '../packages.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const work = join(cache, 'vrange');
const tree = join(work, 'linux-source-6.1');
const patch = join(here, 'vrange.patch');
const applied = join(work, 'applied.patch');
const tools = {
  make: 'make',
  gcc: 'gcc',
  flex: 'flex',
  bison: 'bison',
  bc: 'bc',
  patch: 'patch',
  xz: 'xz-utils',
  '/usr/include/libelf.h': 'libelf-dev',
};

function run(command, args, options = {}) {
  const child = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (child.error) throw new Unavailable(`${command}: ${child.error.message}`);
  if (child.status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${child.status}`);
}

function has(command) {
  return !spawnSync(command, ['--version'], { stdio: 'ignore' }).error;
}

/** The archive of the source: the package's if it is installed, or else out of the package, which is not installed. */
function sourceArchive() {
  const installed = '/usr/src/linux-source-6.1.tar.xz';
  if (existsSync(installed)) return installed;
  const folder = join(work, 'package');
  const archive = join(folder, 'linux-source-6.1.tar.xz');
  if (!existsSync(archive)) {
    takeFromRelease(
      'bookworm',
      [
        {
          what: 'linux-source-6.1',
          prefix: 'linux-source-6.1',
          pattern: /^linux-source-6\.1$/,
          files: ['./usr/src/linux-source-6.1.tar.xz'],
        },
      ],
      folder,
    );
  }
  return archive;
}

/** The files of the tree that a patch changes, with their contents and times. */
function filesOf(text) {
  const names = [...text.matchAll(/^\+\+\+ b\/(\S+)/gm)].map(([, name]) => join(tree, name));
  return names.map((name) => ({ name, content: readFileSync(name, 'utf8'), time: statSync(name).mtime }));
}

/** The source with our patch. Another patch takes the place of the one before, and only what differs between them is compiled again. */
function patchedTree() {
  const wanted = readFileSync(patch, 'utf8');
  let before = [];
  if (existsSync(applied)) {
    const old = readFileSync(applied, 'utf8');
    if (old === wanted) return;
    before = filesOf(old);
    run('patch', ['-p1', '-R', '-s', '-d', tree, '-i', applied]);
    rmSync(applied);
  } else {
    rmSync(tree, { recursive: true, force: true });
    console.error('vm: unpacking the source of Linux 6.1');
    run('tar', ['-xJf', sourceArchive(), '-C', work]);
  }
  run('patch', ['-p1', '-s', '-d', tree, '-i', patch]);
  for (const { name, content, time } of before) {
    if (existsSync(name) && readFileSync(name, 'utf8') === content) utimesSync(name, time, time);
  }
  copyFileSync(patch, applied);
}

function settings(files) {
  const lines = files.flatMap((name) => readFileSync(join(here, name), 'utf8').split('\n'));
  return lines.filter((line) => line && !line.startsWith('# ') && line !== '#');
}

/** Configures and compiles into `out`. */
function make(out, files) {
  const wanted = settings(files);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'wanted'), `${wanted.join('\n')}\n`);
  const compiler = has('ccache') ? 'ccache gcc' : 'gcc';
  const options = ['-s', `O=${out}`, `CC=${compiler}`, `HOSTCC=${compiler}`, `-j${availableParallelism()}`];
  // A time in the image would make each build another one, and keep ccache from answering.
  const env = {
    ...process.env,
    KBUILD_BUILD_TIMESTAMP: '1970-01-01',
    KBUILD_BUILD_USER: 'vm',
    KBUILD_BUILD_HOST: 'vm',
  };
  const before = existsSync(join(out, 'configured')) ? readFileSync(join(out, 'configured'), 'utf8') : '';
  if (before !== wanted.join('\n') || !existsSync(join(out, '.config'))) {
    run('make', [...options, 'allnoconfig'], {
      cwd: tree,
      env: { ...env, KCONFIG_ALLCONFIG: join(out, 'wanted') },
    });
    const got = new Set(readFileSync(join(out, '.config'), 'utf8').split('\n'));
    const missing = wanted.filter((line) => !got.has(line));
    if (missing.length > 0)
      throw new Error(`this source has not, or not with this configuration: ${missing}`);
    writeFileSync(join(out, 'configured'), wanted.join('\n'));
  }
  run('nice', ['-n', '10', 'make', ...options, 'bzImage'], { cwd: tree, env });
}

/** The path of the image, built if need be. */
export function buildVrangeKernel({ debug = false } = {}) {
  if (process.arch !== 'x64')
    throw new Unavailable(`the kernel with vrange is for x86-64, not for ${process.arch}`);
  const files = debug ? ['config', 'config.debug'] : ['config'];
  const name = debug ? 'debug' : 'plain';
  const image = join(work, `vmlinuz-${name}`);
  const stamp = join(work, `${name}.stamp`);
  const hash = createHash('sha256');
  for (const file of ['vrange.patch', ...files]) hash.update(readFileSync(join(here, file)));
  const key = hash.digest('hex');
  if (existsSync(image) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return image;

  for (const [command, packageName] of Object.entries(tools)) ensureInstalled(command, packageName);
  mkdirSync(work, { recursive: true });
  const begin = performance.now();
  patchedTree();
  console.error(`vm: building the kernel with vrange (${name}), some minutes`);
  const out = join(work, `out-${name}`);
  make(out, files);
  copyFileSync(join(out, 'arch/x86/boot/bzImage'), `${image}.new`);
  renameSync(`${image}.new`, image);
  writeFileSync(stamp, key);
  console.error(`vm: built in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  return image;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(buildVrangeKernel({ debug: process.argv.includes('--debug') }));
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.error(`vm: skipped: ${error.message}`);
    process.exitCode = 77;
  }
}
