// Packs the package and installs it as strangers do: into an empty folder, with and without install scripts, with and without the
// shipped binary. Slow, so not part of `npm test`.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));
const binary = 'ashmem_compat.node';
const platform = `${process.platform}-${process.arch}`;

const work = mkdtempSync(join(tmpdir(), 'ashmem-package-'));
let shipped;
let bare;

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error) throw error;
  return { status, stdout, stderr, text: stdout + stderr };
}

function mustRun(command, args, cwd) {
  const result = run(command, args, cwd);
  expect(result.status, `${command} ${args.join(' ')}\n${result.text}`).to.equal(0);
  return result.stdout;
}

/** A new folder with the tarball installed in it. */
function install(name, tarball, ...options) {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'package.json'),
    '{ "name": "consumer", "version": "1.0.0", "private": true }\n',
  );
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  mustRun('npm', ['install', ...quiet, ...options, tarball], folder);
  return { folder, installed: join(folder, 'node_modules/ashmem-compat') };
}

/** Pins, writes, unpins, purges, and expects to be told: the addon really works. */
const body = `
  const region = SharedRegion.create({ size: 8192 });
  new Uint8Array(region.buffer)[5] = 7;
  region.unpin();
  const gone = region.purge();
  console.log(gone, region.pin(), new Uint8Array(region.buffer)[5]);
  region.close();
`;
const works = '8192 purged 0\n';
const importing = ['--input-type=module', '-e', `import { SharedRegion } from 'ashmem-compat';${body}`];
const requiring = [
  '--input-type=commonjs',
  '-e',
  `const { SharedRegion } = require('ashmem-compat');${body}`,
];

function expectWorks(folder) {
  expect(mustRun(process.execPath, importing, folder)).to.equal(works);
  // Node 20.19 can require() an ES module, and some builds of it still say that this is new.
  expect(mustRun(process.execPath, ['--no-warnings', ...requiring], folder)).to.equal(works);
}

describe('the packed package', () => {
  before(() => {
    const [packed] = JSON.parse(
      mustRun('npm', ['pack', '--json', '--silent', '--pack-destination', work], root),
    );
    shipped = join(work, packed.filename);
    // The same package for a platform that it ships nothing for.
    const unpacked = join(work, 'unpacked');
    mkdirSync(unpacked);
    mustRun('tar', ['-xzf', shipped, '-C', unpacked], work);
    rmSync(join(unpacked, 'package/prebuilds'), { recursive: true });
    bare = join(work, 'bare.tgz');
    mustRun('tar', ['-czf', bare, '-C', unpacked, 'package'], work);
  });

  after(() => rmSync(work, { recursive: true, force: true }));

  it('holds what an installation needs, and no tests', () => {
    const names = mustRun('tar', ['-tzf', shipped], work)
      .trim()
      .split('\n')
      .map((name) => name.replace('package/', ''));
    const required = [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'CMakeLists.txt',
      'dist/index.js',
      'dist/index.d.ts',
      'docs/protocol.md',
      'native/core/CMakeLists.txt',
      'native/addon/CMakeLists.txt',
      'scripts/addon.mjs',
      'scripts/install.mjs',
      `prebuilds/${platform}/${binary}`,
    ];
    expect(required.filter((name) => !names.includes(name))).to.deep.equal([]);
    const stray = /^(test|lib|examples|build|node_modules|coverage|\.ci)\/|\.tar\.gz$|_test\.cc$|\.ts$/;
    expect(names.filter((name) => stray.test(name) && !name.endsWith('.d.ts'))).to.deep.equal([]);
  });

  it('has every module of dist/ that the sources in lib/ have, and no other', () => {
    const modules = readdirSync(join(root, 'lib'), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `dist/${name.replace(/\.ts$/, '.js')}`);
    const names = mustRun('tar', ['-tzf', shipped], work).trim().split('\n');
    const packed = names
      .map((name) => name.replace('package/', ''))
      .filter((name) => /^dist\/.*\.js$/.test(name));
    expect(packed).to.have.members(modules);
  });

  describe('installed with --ignore-scripts', () => {
    let consumer;
    before(() => {
      consumer = install('ignore-scripts', shipped, '--ignore-scripts');
    });

    it('works from the shipped binary, by import and by require', () => {
      expect(existsSync(join(consumer.installed, 'build'))).to.equal(false);
      expectWorks(consumer.folder);
    });

    it('type-checks in a strict program, with declarations checked too', () => {
      copyFileSync(join(here, 'consumer.mts'), join(consumer.folder, 'consumer.mts'));
      mkdirSync(join(consumer.folder, 'node_modules/@types'));
      for (const name of ['@types/node', 'undici-types']) {
        symlinkSync(join(root, 'node_modules', name), join(consumer.folder, 'node_modules', name));
      }
      const options = ['--module', 'nodenext', '--moduleResolution', 'nodenext', '--target', 'es2022'];
      const compiler = join(root, 'node_modules/typescript/bin/tsc');
      const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--types', 'node'];
      mustRun(process.execPath, [compiler, ...strict, ...options, 'consumer.mts'], consumer.folder);
    });

    it('has the command', () => {
      const { status, text } = run(
        'npx',
        ['--no-install', 'ashmem-compat', 'reclaim', '2147483647'],
        consumer.folder,
      );
      expect(text).to.include('no process has this pid (ERR_NO_SUCH_PROCESS)');
      expect(status).to.equal(1);
    });

    it('falls through to the shipped binary when the local build is corrupt', () => {
      const build = join(consumer.installed, 'build/Release');
      mkdirSync(build, { recursive: true });
      writeFileSync(join(build, binary), 'not an ELF file');
      expectWorks(consumer.folder);
      rmSync(join(consumer.installed, 'build'), { recursive: true });
    });

    it('has nothing to compile when the install script does run', () => {
      mustRun(process.execPath, ['scripts/install.mjs'], consumer.installed);
      expect(existsSync(join(consumer.installed, 'build'))).to.equal(false);
    });
  });

  it('compiles where nothing is shipped for the platform', () => {
    const { folder, installed } = install('compile', bare);
    expect(existsSync(join(installed, 'build/Release', binary))).to.equal(true);
    expectWorks(folder);
  });

  describe('with no binary at all', () => {
    let consumer;
    before(() => {
      consumer = install('nothing', bare, '--ignore-scripts');
    });

    it('says which paths it tried and which command mends it', () => {
      const program = `import('ashmem-compat').catch(({ code, message }) => console.log(JSON.stringify({ code, message })))`;
      const { code, message } = JSON.parse(mustRun(process.execPath, ['-e', program], consumer.folder));
      expect(code).to.equal('ERR_NATIVE_NOT_FOUND');
      expect(message).to.include(join(consumer.installed, 'build/Release', binary));
      expect(message).to.include(join(consumer.installed, 'prebuilds', platform, binary));
      expect(message).to.include('npm rebuild ashmem-compat');
    });

    it('fails to install with a list of the tools that are missing', () => {
      const tools = join(work, 'no-tools');
      mkdirSync(tools);
      symlinkSync(process.execPath, join(tools, 'node'));
      const env = { ...process.env, PATH: tools };
      const options = { cwd: consumer.installed, env, encoding: 'utf8' };
      const { status, stderr } = spawnSync(process.execPath, ['scripts/install.mjs'], options);
      expect(status).to.equal(1);
      expect(stderr).to.match(/a C\+\+17 compiler .*, cmake .*, make\./);
    });

    it('is mended by that command', () => {
      mustRun('npm', ['rebuild', 'ashmem-compat'], consumer.folder);
      expectWorks(consumer.folder);
    });

    it('compiles anew when the installed folder was copied elsewhere and its binary was lost', () => {
      const moved = join(work, 'moved');
      cpSync(consumer.folder, moved, { recursive: true, verbatimSymlinks: true });
      const installed = join(moved, 'node_modules/ashmem-compat');
      expect(readFileSync(join(installed, 'build/CMakeCache.txt'), 'utf8')).to.include(consumer.installed);
      rmSync(join(installed, 'build/Release', binary));
      mustRun(process.execPath, ['scripts/install.mjs'], installed);
      expectWorks(moved);
    });
  });

  it('compiles over a corrupt binary', () => {
    const { folder, installed } = install('corrupt', bare, '--ignore-scripts');
    const build = join(installed, 'build/Release');
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, binary), 'not an ELF file');
    mustRun(process.execPath, ['scripts/install.mjs'], installed);
    expectWorks(folder);
  });
});
