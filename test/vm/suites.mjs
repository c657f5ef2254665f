// What `npm run test:vm` runs in the guest. One entry is one command in the checkout, for each user unless it says which; exit status 77
// means skipped, and its output says why. `skipped` says what a command leaves out, and why. `minutes` only ends what hangs: emulation
// is 10 to 30 times slower. `kernels` names those of kernels.mjs, if it is not the one with ashmem. `byName`: runs only when it is asked for by
// its whole name.

const mocha = ['node_modules/.bin/mocha', '--timeout', '300000', '--invert', '--grep'];
// One at a time: a kernel that discards does so in all programs.
const ctest = ['ctest', '--test-dir', 'build/core', '--output-on-failure', '--no-tests=error'];
// What no kernel makes a difference to: the cache, what is around it, and touches by the hundred thousand.
const onTheHost =
  'cache|getOrFill|an entry|Keyv|redis-behind|prometheus|VolatilePool between| touches of what is gone';
// On sockets and on memory that has nothing to do with ashmem: minutes of emulation, and no difference.
const elsewhere =
  'FdServer|FdChannel descriptors|FdChannel messages|bytes \\((memfd|anonymous)|the laws, seen from Node \\(memfd|' +
  'chaos \\(memfd|optimistic reads \\(memfd';
// A backend that is missing here must not pass for one that was tested.
const env = { ASHMEM_COMPAT_REQUIRE_BACKENDS: 'ashmem,memfd' };

const withVrange = ['vrange', 'vrange-debug'];
// Those of vrange-kernel/tests, where each file is a program.
const vrangeTests = ['call', 'anon', 'shared', 'order', 'race'];
function vrangeTest(name) {
  return {
    name: `vrange ${name}`,
    command: [`build/vm/vrange-tests/${name}`],
    kernels: withVrange,
    users: [0],
    minutes: 5,
  };
}

/** Of the core's tests, by name: those on a vrange that a supervisor plays, and of tables that are the same on every backend. */
export const coreElsewhere =
  '_vrange$|^vrange_test$|^(pool|cache)_(crash|chaos|hostile|flight)_test$|fragmentation';

export const suites = [
  {
    // First of all: whether there is an ashmem here that is worth testing on.
    name: 'ashmem device',
    command: ['build/vm/ashmem_device'],
    minutes: 1,
  },
  {
    // The table that the preload library is held to, on what it imitates.
    name: 'driver table',
    command: ['build/core/test/driver/driver_table', '--expect', 'device'],
    minutes: 2,
  },
  {
    name: 'program written for the device',
    command: ['build/core/test/driver/old_program'],
    minutes: 1,
  },
  {
    name: 'core',
    command: [...ctest, '-E', coreElsewhere],
    users: [0],
    minutes: 12,
    skipped:
      'what is tested on vrange: there is none here, and the supervisor that plays it needs no other kernel; deaths of pools and caches, whose ' +
      'tables are the same on every backend',
  },
  {
    name: 'core',
    command: [
      ...ctest,
      '-R',
      '_ashmem$|^ashmem_probe_test$|^try_call_test$|^channel_test$|^pressure_.*_test$|^capi_test$',
    ],
    users: [1000],
    minutes: 8,
    skipped: 'what the rights of a user make no difference to: root runs it',
  },
  // What no kernel and no right makes a difference to runs in one of the two machines.
  {
    name: 'mocha',
    command: [
      ...mocha,
      `image-cache|FdChannel|FdServer|regions over a channel|^examples|^doctor|the command line|hears of memory pressure|a shrink signal|${onTheHost}|${elsewhere}`,
    ],
    users: [0],
    env,
    minutes: 16,
    skipped:
      'the cache, and touches by the hundred thousand: they are the same on every kernel; what takes longest on memfd and anonymous: no ashmem is in it; ' +
      'image-cache, the command line, processes that hear of pressure and of signals: decoding photographs, and starting Node over ' +
      'and over, take minutes of emulated arithmetic; ' +
      'channels between processes, examples and doctor: uid 1000 runs them',
  },
  {
    name: 'mocha',
    command: [
      ...mocha,
      `image-cache|chaos|the command line|hears of memory pressure|a shrink signal|\\(memfd\\)|\\(anonymous\\)|${onTheHost}|${elsewhere}`,
    ],
    users: [1000],
    env,
    minutes: 16,
    skipped:
      'image-cache, the command line, and what hears of pressure: as for root; channels within a process and servers, which no kernel makes a difference to; chaos, which asks a kernel that discards at random moments, and the contract on memfd and anonymous: root runs them',
  },
  {
    // Last of all, for the machine has swap from here on.
    name: 'reclaim with swap',
    command: [
      'sh',
      '-ec',
      'echo 128M >/sys/block/zram0/disksize; mkswap /dev/zram0 >/dev/null; swapon /dev/zram0; cd build/core/test/native; exec ./process_reclaim_test',
    ],
    users: [0],
    minutes: 2,
  },
  ...vrangeTests.map(vrangeTest),
  {
    name: 'core on vrange',
    command: [...ctest, '-R', '_vrange$|^vrange_test$|^optimistic_test$'],
    kernels: withVrange,
    users: [0],
    minutes: 8,
  },
  {
    // The contract, the laws and the optimistic method, on the kernel's vrange as on the others.
    name: 'mocha on vrange',
    command: [
      'node_modules/.bin/mocha',
      '--timeout',
      '300000',
      '--grep',
      '\\(vrange|the backends that the contract|the backend of a region',
    ],
    kernels: withVrange,
    users: [0],
    env: { ASHMEM_COMPAT_REQUIRE_BACKENDS: 'vrange,memfd' },
    minutes: 11,
  },
  {
    name: 'chaos on vrange',
    command: ['npm', 'run', '-s', 'chaos', '--', '--seconds', '30', '--seed', '7', '--backend', 'vrange'],
    kernels: withVrange,
    users: [0],
    minutes: 5,
  },
  {
    // A neighbour at full speed; and, as controls, who dies without a kernel that discards.
    name: 'survival on vrange',
    command: [
      'node',
      '--import',
      'tsx',
      'test/bench/survive/main.ts',
      '--only',
      'vrange-cgroup',
      '--runs',
      '1',
    ],
    kernels: withVrange,
    users: [0],
    minutes: 10,
  },
  // After all that limits memory by a cgroup of v2: it takes the controller over to v1, and a kernel gives it back when it pleases.
  vrangeTest('cgroup'),
  {
    name: 'hour of chaos',
    command: ['sh', 'test/vm/hour-of-chaos'],
    kernels: withVrange,
    users: [0],
    minutes: 75,
    byName: true,
  },
  {
    // Last of all: what the kernel has to say about the tests.
    name: 'kernel log',
    command: ['sh', 'test/vm/vrange-kernel/check-log'],
    kernels: withVrange,
    users: [0],
    minutes: 1,
  },
];

/** As which users: each in a machine of its own, both at once. Android gives every app a uid and the device to all of them. */
export const users = [0, 1000];
