// What `npm run test:sandbox` runs, for each release unless it says for which. One entry is one command in the checkout; `skipped` says what
// a command leaves out, and why. `minutes` only ends what hangs.

import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/addon.mjs';

// Where node_modules is a link, mocha does not recognize itself by a path through it.
const mocha = realpathSync(join(root, 'node_modules/mocha/bin/mocha.js'));
const notForApps =
  'chaos .*rows|the system calls of a memfd region|regions of other processes|things that are none|a file that looks like a region|by tryRead alone|say what is lost, and refill nothing|redis-behind';
const env = { ASHMEM_COMPAT_REQUIRE_BACKENDS: 'memfd' };

// What the programs skipped is only in the log that ctest keeps.
const core = `
  ctest --test-dir build/core --output-on-failure --no-tests=error --exclude-regex 'driver_table|old_program|preload_deaths|vrange_test|_vrange$'
  status=$?
  grep -h '^skipped' build/core/Testing/Temporary/LastTest.log | sort -u
  exit $status`;

export const suites = [
  {
    // First of all: whether the sandbox bites.
    name: 'self',
    command: ['build/sandbox/sandbox_test'],
    devices: ['absent', 'denied'],
    minutes: 1,
  },
  { name: 'probe', command: ['node', 'test/sandbox/self/probe.mjs'], minutes: 1 },
  { name: 'doctor', command: ['node', 'test/sandbox/self/doctor.mjs'], minutes: 1 },
  {
    name: 'core',
    command: ['sh', '-c', core],
    // ctest keeps a log beside what it tests.
    writable: ['build/core/Testing'],
    minutes: 3,
    skipped:
      'vrange: an app may make no call that its list does not name; ' +
      'driver_table, old_program and preload_deaths: the library that plays the device is for plain Linux; it locks memfds, opens them again ' +
      'and changes their mode, all of which Android refuses',
  },
  {
    name: 'mocha',
    command: ['node', mocha, '--invert', '--grep', notForApps],
    // The oldest and the newest: between them the calls differ that the core makes, and its own tests run on every release.
    releases: ['8', '15'],
    env,
    minutes: 10,
    skipped:
      'chaos with holder bits in rows: it takes more than 60 processes, and an app has 32; ' +
      'the system calls of a memfd region: strace makes calls of its own that an app must not make; ' +
      'regions of other processes: an app may not open again what others have open; reading through an fd that can only be read: a memfd cannot be ' +
      'opened again, and a seal ends purging; Redis: it is no part of an app',
  },
  {
    // Deaths by SIGKILL, of holders and of those who recover from them. Mocha has it for the other releases.
    name: 'chaos',
    command: ['node', '--import', 'tsx', 'test/chaos/main.ts', '--seconds', '4', '--seed', '1'],
    releases: ['10', '12', '14'],
    minutes: 2,
  },
];
