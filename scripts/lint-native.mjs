// clang-format over all C++, clang-tidy over everything in native/. --fix formats in place instead of complaining.

import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from './addon.mjs';

const require = createRequire(import.meta.url);
const fix = process.argv.includes('--fix');
let failures = 0;

function has(tool) {
  if (!spawnSync(tool, ['--version']).error) return true;
  console.log(`skipped: ${tool} is not installed`);
  if (process.env.CI === 'true') failures++;
  return false;
}

function sources(...folders) {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...folders];
  const names = spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.split('\0');
  return [...new Set(names)].filter((name) => /\.(cc|cpp|h|c)$/.test(name)).sort();
}

function format() {
  const files = sources('native', 'test', 'android');
  const args = fix ? ['-i'] : ['--dry-run', '-Werror'];
  const { status } = spawnSync('clang-format', [...args, ...files], { cwd: root, stdio: 'inherit' });
  console.log(
    `clang-format: ${files.length} files${status === 0 ? '' : ', not all formatted (npm run format)'}`,
  );
  if (status !== 0) failures++;
}

/** Writes build/lint/compile_commands.json without building anything. Tests off: each file then has one entry. */
function configure() {
  const definitions = [
    `CMAKE_JS_INC=${require('node-api-headers').include_dir}`,
    'CMAKE_EXPORT_COMPILE_COMMANDS=ON',
    'ASHMEM_COMPAT_TESTS=OFF',
    'ASHMEM_COMPAT_C=ON',
  ];
  const args = ['-S', '.', '-B', 'build/lint', ...definitions.map((definition) => `-D${definition}`)];
  const child = spawnSync('cmake', args, { cwd: root, encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`cmake failed:\n${child.stdout}${child.stderr}`);
}

/** Pages have 4, 16 or 64 KiB: a size of one that is written down is wrong somewhere. Buffers of that many bytes are no pages. */
function pageSizes() {
  const args = [
    'grep',
    '-nIE',
    '--untracked',
    '\\b(4096|0x1000|16384|65536|PAGE_SIZE)\\b',
    '--',
    'native',
    'lib',
  ];
  const found = spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  const faults = found.filter(
    (line) => !/\bchar \w+\[4096\]|kStretch = 4096|kSize = 16384|max-page-size=16384/.test(line),
  );
  for (const line of faults) console.log(`a constant page size? ask page_size(): ${line}`);
  failures += faults.length;
  console.log(`page sizes: ${faults.length} constants`);
}

// The analyzer's paths through one function: a third of its default, for less than half of the time.
const paths = ['-Xclang', '-analyzer-config', '-Xclang', 'max-nodes=75000'].map(
  (arg) => `--extra-arg=${arg}`,
);

function tidyOne(file) {
  return new Promise((resolve) => {
    const child = spawn('clang-tidy', ['--quiet', ...paths, '-p', join(root, 'build/lint'), file], {
      cwd: root,
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    // Its standard error counts the warnings that it suppressed in system headers: of interest only if it fails.
    let remarks = '';
    child.stderr.on('data', (chunk) => {
      remarks += chunk;
    });
    child.on('close', (status) => {
      if (status !== 0) {
        failures++;
        console.log(output.trim() || remarks.trim());
      }
      resolve();
    });
  });
}

async function tidy() {
  configure();
  const files = sources('native').filter((name) => name.endsWith('.cc'));
  const queue = [...files];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) await tidyOne(file);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  console.log(`clang-tidy: ${files.length} files`);
}

pageSizes();
if (has('clang-format')) format();
if (!fix && has('clang-tidy')) await tidy();
process.exit(failures === 0 ? 0 : 1);
