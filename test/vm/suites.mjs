// What `npm run test:vm` runs in the guest. One entry is one command in the checkout, for each user unless it says which; exit status 77
// means skipped, and its output says why. `skipped` says what a command leaves out, and why. `minutes` only ends what hangs: emulation
// is 10 to 30 times slower.

const mocha = ['node_modules/.bin/mocha', '--timeout', '300000'];

export const suites = [
  {
    // First of all: whether there is an ashmem here that is worth testing on.
    name: 'ashmem device',
    command: ['build/vm/ashmem_device'],
    minutes: 1,
  },
  {
    name: 'core',
    command: ['ctest', '--test-dir', 'build/core', '--output-on-failure', '--no-tests=error'],
    minutes: 8,
  },
  {
    name: 'mocha',
    command: [...mocha, '--invert', '--grep', 'image-cache'],
    users: [0],
    minutes: 11,
    skipped:
      'image-cache: decoding photographs takes minutes of emulated arithmetic, and asks nothing of the kernel',
  },
  {
    name: 'mocha',
    command: [...mocha, '--invert', '--grep', 'image-cache|chaos|stale path'],
    users: [1000],
    minutes: 11,
    skipped:
      'image-cache, chaos, the race for a stale path: these ask no rights, and root has run the latter two',
  },
];

/** As which users: each in a machine of its own, both at once. Android gives every app a uid and the device to all of them. */
export const users = [0, 1000];
