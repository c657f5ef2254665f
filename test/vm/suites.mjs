// What `npm run test:vm` runs in the guest, once for each of its users. One entry is one command in the checkout; exit status 77 means
// skipped, and its output says why. `minutes` only ends what hangs: emulation is 10 to 30 times slower.

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
    command: ['node_modules/.bin/mocha', '--timeout', '300000'],
    minutes: 9,
  },
];

/** As which users: each in a machine of its own, both at once. Android gives every app a uid and the device to all of them. */
export const users = [0, 1000];
