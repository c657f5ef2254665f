// android/ndk/build.sh, with a stand-in for the NDK (stand-in-ndk.mjs): what it lays where, and what it refuses.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { abisHere, makeNdk } from './stand-in-ndk.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'ashmem-ndk-'));
// A copy: what is built here must never be packed.
const tree = join(work, 'tree');
const cache = join(work, 'cache');
const here = abisHere();

const machines = {
  'arm64-v8a': ['arm64', 'AArch64'],
  'armeabi-v7a': ['arm', 'ARM'],
  x86_64: ['x64', 'Advanced Micro Devices X86-64'],
  x86: ['ia32', 'Intel 80386'],
};

let made = 0;
const ndk = (faults = {}) => makeNdk(join(work, `ndk-${made++}`), { cache, ...faults });

function build(ndkFolder, abis, env = {}) {
  // An NDK has no ccache before its compiler, nor does its likeness work behind one.
  const {
    ANDROID_NDK_HOME: _,
    CMAKE_C_COMPILER_LAUNCHER: _c,
    CMAKE_CXX_COMPILER_LAUNCHER: _cxx,
    ...rest
  } = process.env;
  const child = spawnSync('bash', [join(tree, 'android/ndk/build.sh'), ...abis], {
    cwd: work,
    encoding: 'utf8',
    timeout: 500_000,
    env: { ...rest, ...(ndkFolder === undefined ? {} : { ANDROID_NDK_HOME: ndkFolder }), ...env },
  });
  return { status: child.status, text: child.stdout + child.stderr };
}

function expectRefused({ status, text }, message) {
  expect(text).to.include(`ndk/build.sh: ${message}`);
  expect(status).to.equal(1);
}

const readelf = (...args) => spawnSync('readelf', args, { encoding: 'utf8' }).stdout;

describe('android/ndk/build.sh', () => {
  before(() => {
    mkdirSync(tree);
    for (const name of ['android', 'native', 'CMakeLists.txt', 'package.json'])
      cpSync(join(root, name), join(tree, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  for (const script of ['ndk/build.sh', 'termux/build.sh']) {
    it(`shellcheck finds nothing in ${script}`, function () {
      const child = spawnSync('shellcheck', [join(root, 'android', script)], { encoding: 'utf8' });
      if (child.error) {
        console.log('      skipped: no shellcheck');
        this.skip();
      }
      expect(child.stdout).to.equal('');
    });
  }

  for (const [abi, [arch, machine]] of Object.entries(machines)) {
    it(`${abi}: an addon for android-${arch}, for pages of 16 KiB, that needs nothing but Android's own libraries`, function () {
      if (!here.includes(abi)) {
        console.log(`      skipped: no compiler for ${abi}`);
        this.skip();
      }
      const { status, text } = build(ndk(), [abi]);
      expect(status, text).to.equal(0);
      const file = join(tree, `prebuilds/android-${arch}/ashmem_compat.node`);
      expect(readelf('-h', file)).to.match(new RegExp(`Machine: +${machine}\n`));
      const aligned = [...readelf('-lW', file).matchAll(/^ +LOAD .* (0x\w+)$/gm)].map((match) => match[1]);
      expect(new Set(aligned)).to.deep.equal(new Set(['0x4000']));
      const needed = [...readelf('-dW', file).matchAll(/NEEDED.*\[(.*)\]/g)].map((match) => match[1]);
      expect(['libc.so', 'libm.so', 'libdl.so']).to.include.members(needed);
      expect(readelf('--dyn-syms', '-W', file)).to.match(/ napi_register_module_v1$/m);
      expect(readelf('-SW', file)).to.not.include('.symtab');
    });
  }

  describe('refuses', () => {
    it('to run without an NDK', () => {
      expectRefused(build(undefined, []), 'ANDROID_NDK_HOME is not set');
      expectRefused(build(join(work, 'nowhere'), []), 'ANDROID_NDK_HOME is no folder');
      expectRefused(
        build(work, []),
        `there is no NDK in ${work}: build/cmake/android.toolchain.cmake is missing`,
      );
      // A relative one is found from the caller's folder, not from cmake's.
      expectRefused(build('.', []), `there is no NDK in ${work}: build/cmake/android.toolchain.cmake`);
    });

    it('an NDK that is too old, names no revision, or is for another machine', () => {
      expectRefused(
        build(ndk({ revision: '21.4.7075529' }), []),
        'this NDK is r21, and r25 or newer is needed',
      );
      expectRefused(build(ndk({ revision: '' }), []), 'there is no NDK in');
      const foreign = ndk();
      rmSync(join(foreign, 'toolchains/llvm/prebuilt/linux-x86_64/bin/clang++'));
      expectRefused(build(foreign, []), 'the NDK has no toolchain for this machine');
    });

    it('an ABI that there is not, before anything is built', () => {
      expectRefused(build(ndk(), ['x86_64', 'mips']), 'no ABI mips');
      expect(existsSync(join(tree, 'build/android-mips'))).to.equal(false);
    });

    it('to start where cmake or node is missing', () => {
      const tools = join(work, 'tools');
      mkdirSync(tools);
      for (const name of ['bash', 'dirname'])
        symlinkSync(spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(tools, name));
      expectRefused(build(ndk(), [], { PATH: tools }), 'cmake is missing');
      writeFileSync(join(tools, 'cmake'), '', { mode: 0o755 });
      expectRefused(build(ndk(), [], { PATH: tools }), 'node is missing');
    });

    it('to start where the dependencies are not installed', () => {
      rmSync(join(tree, 'node_modules'));
      try {
        expectRefused(
          build(ndk(), []),
          'the package node-api-headers is missing; run: npm ci --ignore-scripts',
        );
      } finally {
        symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
      }
    });

    // What follows lays nothing, so that a bad binary is never packed.
    const target = join(tree, 'prebuilds/android-x64/ashmem_compat.node');
    const refusesToLay = (faults, message) => {
      rmSync(target, { force: true });
      const { status, text } = build(ndk(faults), ['x86_64']);
      expect(text).to.match(message);
      expect(status).to.equal(1);
      expect(existsSync(target)).to.equal(false);
    };

    it('what is linked for pages of 4 KiB', () => {
      refusesToLay({ pageSize: '4096' }, /a segment aligned to 0x1000, and 16384 is needed/);
    });

    it("what needs another libc's libraries", () => {
      refusesToLay({ androidNames: false }, /needs lib\w+\.so\.\d, which must not be/);
    });

    it('what needs a symbol that the API has not', () => {
      refusesToLay({ libc: false }, /needs symbols that API 24 has not: .*\bmmap/);
    });

    it('what does not compile, and shows why', () => {
      const source = join(tree, 'native/core/broken.cc');
      writeFileSync(source, '#error of the test\n');
      try {
        refusesToLay(
          {},
          /error of the test[\s\S]*compiling for x86_64 failed; all of it is in build\/android-x64\.log/,
        );
      } finally {
        rmSync(source);
      }
    });
  });
});
