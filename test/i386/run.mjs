// The core and its tests as 32-bit programs, with Debian's compiler and its 32-bit libraries: npm run test:32
// Where this kernel runs no 32-bit programs, or with -- --vm, in the virtual machine, whose kernel does.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BuildError, orExplain, root } from '../../scripts/addon.mjs';
import { coreElsewhere } from '../vm/suites.mjs';

const build = join(root, 'build/32');

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw new BuildError(`${command}: ${error.message}`);
  return status;
}

function must(command, ...args) {
  const status = run(command, ...args);
  if (status !== 0) throw new BuildError(`${command} failed with status ${status}`);
}

function runsHere() {
  const source = join(build, 'empty.cc');
  const program = join(build, 'empty');
  writeFileSync(source, 'int main() {}\n');
  must('c++', '-m32', source, '-o', program);
  return spawnSync(program).status === 0;
}

const ctest = ['ctest', '--test-dir', 'build/32', '--output-on-failure', '--no-tests=error'];

orExplain(() => {
  const options = ['ASHMEM_COMPAT_TESTS=ON', 'ASHMEM_COMPAT_WERROR=ON'].map((option) => `-D${option}`);
  must('cmake', '-S', root, '-B', build, '-DCMAKE_TOOLCHAIN_FILE=test/i386/toolchain.cmake', ...options);
  must('cmake', '--build', build, '--parallel', String(availableParallelism()));
  if (process.argv[2] !== '--vm' && runsHere()) {
    process.exitCode = run(...ctest);
    return;
  }
  console.log('in the virtual machine, whose kernel runs 32-bit programs');
  const machine = [join(root, 'test/vm/run.mjs'), '--timeout', '540'];
  process.exitCode = run(process.execPath, ...machine, '--', ...ctest, '-E', coreElsewhere);
});
