// Writes what the launcher is to do for a release (launcher/sandbox.h), and compiles the launcher.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../scripts/addon.mjs';
import { releases } from './releases.mjs';
import { spellings, unknown } from './startup.mjs';

const here = dirname(fileURLToPath(import.meta.url));
export const build = join(root, 'build/sandbox');

/** There is no sandbox to be had on this machine. */
export class Unavailable extends Error {}

function run(command, args, input) {
  const child = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: 1 << 24 });
  if (child.error) throw new Unavailable(`${command}: ${child.error.message}`);
  if (child.status !== 0) throw new Error(`${command} ${args.join(' ')}\n${child.stdout}${child.stderr}`);
  return child.stdout;
}

let known;
/** The number of a system call, from this machine's headers. */
function numberOf(name) {
  if (!known) {
    // Newer than the headers of Debian 12.
    known = new Map([['mseal', 462]]);
    const defines = run(process.env.CC ?? 'cc', ['-E', '-dM', '-'], '#include <asm/unistd.h>\n');
    for (const [, call, number] of defines.matchAll(/^#define __NR_(\w+) (\d+)$/gm))
      known.set(call, Number(number));
  }
  if (!known.has(name)) throw new Error(`${name}: no system call of x86-64 that this machine's headers know`);
  return known.get(name);
}

export function callsOf(release) {
  return readFileSync(join(here, 'releases', release.calls), 'utf8')
    .split('\n')
    .filter(Boolean);
}

export function release(name) {
  const found = releases.find((row) => row.name === name);
  if (!found) throw new Error(`no release ${name}; there are ${releases.map((row) => row.name).join(', ')}`);
  return found;
}

/** The path of the policy file. `writable`: folders that the command finds empty and may write to. */
export function writePolicy(row, { device = row.device, observe = false, writable = [] } = {}) {
  const listed = callsOf(row);
  const spelled = Object.entries(spellings)
    .filter(([, there]) => listed.includes(there))
    .map(([here]) => here);
  const calls = [...new Set([...listed, ...spelled])].filter(
    (name) => !Object.hasOwn(unknown, name) || listed.includes(name),
  );
  const missing = Object.keys(unknown).filter((name) => name === 'clone3' || !listed.includes(name));
  const lines = [
    'uid 10123',
    'children 32',
    `device ${device}`,
    `cgroup ${row.cgroup}`,
    ...(observe ? ['observe 1'] : []),
    ...calls.map((name) => `call ${numberOf(name)}`),
    ...missing.map((name) => `unknown ${numberOf(name)}`),
    ...row.hidden.map((path) => `hide ${path}`),
    ...[root, realpathSync(join(root, 'node_modules')), dirname(process.execPath)].map(
      (path) => `keep ${path}`,
    ),
    ...writable.map((path) => `scratch ${path}`),
  ];
  mkdirSync(build, { recursive: true });
  const path = join(build, `android-${row.name}.policy`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/** The path of the launcher, compiled anew: it takes half a second. */
export function buildLauncher() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Unavailable('the lists and the filter are for x86-64');
  mkdirSync(build, { recursive: true });
  const program = join(build, 'launcher');
  const sources = ['main.c', 'view.c', 'enter.c', 'supervisor.c'].map((name) => join(here, 'launcher', name));
  run(process.env.CC ?? 'cc', [
    '-std=gnu11',
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...sources,
    '-o',
    program,
  ]);
  return program;
}

/** What a command finds in its environment, as in Termux's shell, but for PATH. */
export function appEnvironment(row, env = {}) {
  const { PATH } = process.env;
  return { PATH, HOME: '/tmp', TMPDIR: '/tmp', LANG: 'C.UTF-8', ASHMEM_COMPAT_SANDBOX: row.name, ...env };
}
