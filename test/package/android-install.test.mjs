// The packed package where process.platform is 'android'. Simulated: Node, npm and cmake-js run here and are told that they run there,
// so this shows which way the package takes, not that the binary works on a phone.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));
const binary = 'ashmem_compat.node';
const here = `${process.platform}-${process.arch}`;
const there = `android-${process.arch}`;
const work = mkdtempSync(join(tmpdir(), 'ashmem-android-'));

const program = "Object.defineProperty(process,'platform',{value:'android'})";
const android = {
  ...process.env,
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program).replaceAll("'", '%27')}`,
};

function run(command, args, cwd, env = android) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 500_000,
  });
  if (error) throw error;
  return { status, stdout, stderr, text: stdout + stderr };
}

function mustRun(...args) {
  const result = run(...args);
  expect(result.status, `${args[0]} ${args[1].join(' ')}\n${result.text}`).to.equal(0);
  return result.stdout;
}

/** A tarball like the packed one, after `change` of the unpacked folder. */
function repacked(name, change) {
  const folder = join(work, name);
  mkdirSync(folder);
  mustRun('tar', ['-xzf', shipped, '-C', folder], work);
  change(join(folder, 'package'));
  const tarball = join(work, `${name}.tgz`);
  mustRun('tar', ['-czf', tarball, '-C', folder, 'package'], work);
  return tarball;
}

function install(name, tarball, ...options) {
  const folder = join(work, `in-${name}`);
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'package.json'),
    '{ "name": "consumer", "version": "1.0.0", "private": true }\n',
  );
  // Also where the tests were started by `npm run --silent`, which its npm passes on.
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const result = run('npm', ['install', ...quiet, ...options, tarball], folder);
  return { folder, installed: join(folder, 'node_modules/ashmem-compat'), ...result };
}

const use = `
  import { SharedRegion, probe } from 'ashmem-compat';
  const region = SharedRegion.create({ size: 8192 });
  region.unpin();
  console.log(probe().platform, region.purge(), region.pin());
`;
const useArgs = ['--input-type=module', '-e', use];

let shipped;

describe('the packed package on Android', () => {
  before(() => {
    const args = ['pack', '--json', '--silent', '--pack-destination', work];
    const [packed] = JSON.parse(mustRun('npm', args, root, process.env));
    shipped = join(work, packed.filename);
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  it('npm refuses it there when its os field does not name android', () => {
    const tarball = repacked('linux-only', (folder) => {
      const path = join(folder, 'package.json');
      const json = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...json, os: ['linux'] }));
    });
    const { status, text } = install('linux-only', tarball, '--ignore-scripts');
    expect(text).to.include('EBADPLATFORM');
    expect(status).to.not.equal(0);
  });

  describe('with a binary for it inside', () => {
    let consumer;
    before(() => {
      const tarball = repacked('with-binary', (folder) => {
        mkdirSync(join(folder, 'prebuilds', there));
        copyFileSync(join(folder, 'prebuilds', here, binary), join(folder, 'prebuilds', there, binary));
        rmSync(join(folder, 'prebuilds', here), { recursive: true });
      });
      consumer = install('with-binary', tarball);
    });

    it('installs without compiling, and works', () => {
      expect(consumer.status, consumer.text).to.equal(0);
      mustRun(process.execPath, ['scripts/install.mjs'], consumer.installed);
      expect(existsSync(join(consumer.installed, 'build'))).to.equal(false);
      expect(mustRun(process.execPath, useArgs, consumer.folder)).to.equal('android 8192 purged\n');
    });

    it('brings no TypeScript and no sharp', () => {
      for (const name of ['typescript', 'sharp', 'tsx'])
        expect(existsSync(join(consumer.folder, 'node_modules', name)), name).to.equal(false);
    });

    it('doctor runs there, with no getprop to ask', () => {
      const text = mustRun(
        join(consumer.folder, 'node_modules/.bin/ashmem-compat'),
        ['doctor'],
        consumer.folder,
      );
      expect(text).to.include(`for android ${process.arch}`);
      expect(text).to.match(/^ {2}Android {12}not readable: .*getprop.*ENOENT/m);
      expect(text).to.match(/^ {2}addon {14}shipped: /m);
    });
  });

  describe('with no binary that fits', () => {
    let consumer;
    before(() => {
      // The shipped binary of linux-x64 stays: it is for another platform, even though it would load here.
      consumer = install('no-binary', shipped, '--ignore-scripts');
    });

    it('says what to install where there is no compiler', () => {
      const tools = join(work, 'tools');
      mkdirSync(tools);
      const env = { ...android, PATH: tools };
      const { status, stderr } = run(process.execPath, ['scripts/install.mjs'], consumer.installed, env);
      expect(status).to.equal(1);
      expect(stderr).to.include('pkg install clang cmake make');
    });

    it('says how to get one when it is imported', () => {
      const { status, stderr } = run(process.execPath, useArgs, consumer.folder);
      expect(status).to.equal(1);
      expect(stderr)
        .to.include('ERR_NATIVE_NOT_FOUND')
        .and.to.include('(Termux: pkg install clang cmake make)');
    });

    it('compiles one with cmake-js, and works', () => {
      const output = mustRun(process.execPath, ['scripts/install.mjs'], consumer.installed);
      expect(output).to.include(`compiling the native addon for ${there}`);
      expect(existsSync(join(consumer.installed, 'build/Release', binary))).to.equal(true);
      expect(mustRun(process.execPath, useArgs, consumer.folder)).to.equal('android 8192 purged\n');
    });
  });

  it('a checkout compiles no TypeScript there, and says so', () => {
    const { status, stdout } = run(process.execPath, [join(root, 'scripts/build-lib.mjs')], root);
    expect(status).to.equal(0);
    expect(stdout).to.include('skipped dist/: the TypeScript compiler has no build for android');
  });

  it("the image cache names sharp's wasm build when sharp cannot be loaded", () => {
    const folder = join(work, 'no-sharp');
    mkdirSync(folder);
    for (const name of ['examples', 'lib', 'package.json'])
      cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, 'build'), join(folder, 'build'));
    const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href;
    const args = ['--import', tsx, 'examples/image-cache/main.ts'];
    const { status, stderr } = run(process.execPath, args, folder);
    expect(stderr).to.include('image-cache needs sharp, which could not be loaded');
    expect(stderr).to.include('Install it with: npm i sharp @img/sharp-wasm32');
    expect(status).to.equal(1);
  });
});

/** What build-package.sh of termux-packages does around a recipe that has a CMakeLists.txt, as far as this one needs it. */
const aroundRecipe = `
set -euo pipefail
termux_setup_nodejs() { echo setup nodejs; }
termux_error_exit() { echo "ERROR: $*" >&2; exit 1; }
source "$TERMUX_PKG_BUILDER_DIR/build.sh"
tar -xzf "\${TERMUX_PKG_SRCURL#file://}" -C "$TERMUX_PKG_SRCDIR" --strip-components=1
cd "$TERMUX_PKG_SRCDIR"
termux_step_pre_configure
cd "$TERMUX_PKG_BUILDDIR"
# shellcheck disable=SC2086
cmake "$TERMUX_PKG_SRCDIR" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$TERMUX_PREFIX" $TERMUX_PKG_EXTRA_CONFIGURE_ARGS
termux_step_make
termux_step_make_install
`;

describe('android/termux/build.sh', () => {
  const folder = (name) => {
    mkdirSync(join(work, name), { recursive: true });
    return join(work, name);
  };
  let env;
  before(() => {
    mkdirSync(work, { recursive: true });
    const recipe = folder('recipe');
    copyFileSync(join(root, 'android/termux/build.sh'), join(recipe, 'build.sh'));
    mustRun('npm', ['pack', '--silent', '--pack-destination', recipe], root, process.env);
    env = {
      ...process.env,
      TERMUX_ARCH: 'x86_64',
      TERMUX_PKG_BUILDER_DIR: recipe,
      TERMUX_PKG_SRCDIR: folder('src'),
      TERMUX_PKG_BUILDDIR: folder('build'),
      TERMUX_PKG_MAKE_PROCESSES: '2',
      TERMUX_PREFIX: folder('usr'),
    };
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  it('has the version and the licence of the package', () => {
    const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const show = 'source "$0"; echo "$TERMUX_PKG_VERSION $TERMUX_PKG_LICENSE"';
    expect(mustRun('bash', ['-c', show, join(root, 'android/termux/build.sh')], work, env)).to.equal(
      `${version} ${license}\n`,
    );
  });

  it('lays the package with its binary under the prefix, and the command works', function () {
    if (process.arch !== 'x64') {
      console.log('      skipped: the recipe is run for the machine that it is on, and this test knows x64');
      this.skip();
    }
    mustRun('bash', ['-c', aroundRecipe], work, env);
    const installed = join(env.TERMUX_PREFIX, 'lib/node_modules/ashmem-compat');
    expect(existsSync(join(installed, 'prebuilds/android-x64', binary))).to.equal(true);
    for (const name of ['node_modules', 'build', 'native', 'prebuilds/linux-x64'])
      expect(existsSync(join(installed, name)), name).to.equal(false);
    const text = mustRun(join(env.TERMUX_PREFIX, 'bin/ashmem-compat'), ['doctor'], work);
    expect(text).to.match(/^Shared, purgeable regions work here/);
    expect(text).to.match(/^ {2}addon {14}shipped: .*prebuilds\/android-x64\/ashmem_compat\.node$/m);
  });

  it('lets nobody compile Node for it', () => {
    const show = 'source "$0"; echo "$TERMUX_PKG_ANTI_BUILD_DEPENDS; $TERMUX_PKG_BUILD_DEPENDS"';
    expect(mustRun('bash', ['-c', show, join(root, 'android/termux/build.sh')], work, env)).to.equal(
      'nodejs-lts, nodejs; \n',
    );
  });

  it('says what to install where a phone has no npm', () => {
    const tools = folder('no-npm');
    symlinkSync(run('which', ['bash'], work, process.env).stdout.trim(), join(tools, 'bash'));
    const program =
      'set -eu; termux_error_exit() { echo "ERROR: $*" >&2; exit 1; }; source "$0"; termux_step_pre_configure';
    const { status, stderr } = run('bash', ['-c', program, join(root, 'android/termux/build.sh')], work, {
      ...env,
      PATH: tools,
      TERMUX_ON_DEVICE_BUILD: 'true',
    });
    expect(stderr).to.include('ERROR: npm is missing; on a phone: pkg install nodejs-lts npm');
    expect(status).to.equal(1);
  });

  it('ends with the name of an architecture that it does not know', () => {
    const { status, stderr } = run('bash', ['-c', aroundRecipe], work, { ...env, TERMUX_ARCH: 'riscv64' });
    expect(stderr).to.include('ERROR: no such architecture: riscv64');
    expect(status).to.equal(1);
  });
});
