import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';
import { probe } from '../../lib/index.ts';
import { runProgram } from '../helpers/run-program.ts';

const run = (args: string[] = [], env = process.env, program = 'lib/cli/main.ts') =>
  runProgram(program, ['doctor', ...args], env).done;

describe('doctor', () => {
  it('prints a page: what was tried, each backend and source with its reason, and what the system is', async () => {
    const { code, output, errors } = await run();
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    const { backends, pressure, kernel } = probe();
    expect(output).to.match(/^Shared, purgeable regions work here, on (ashmem|memfd)\.\n/);
    expect(output).to.include('  sharing            works: ');
    expect(output).to.include('  passing an fd      works: ');
    for (const { name, available } of [...backends, ...pressure]) {
      const line = `  ${name.padEnd(19)}${available ? 'available: ' : 'not available: '}`;
      expect(output, name).to.include(line);
    }
    expect(output).to.include(`  kernel             ${kernel}\n`);
    expect(output).to.match(/^ {2}libc {15}(glibc 2\.\d+|musl|bionic.*)$/m);
    expect(output).to.match(/^ {2}addon {14}(compiled here|shipped): .*ashmem_compat\.node$/m);
    expect(output).to.match(/^Advice$/m);
  });

  it('--json: the same facts, for programs', async () => {
    const { code, output } = await run(['--json']);
    expect(code).to.equal(0);
    const facts = JSON.parse(output);
    expect(facts.sharing.works).to.equal(true);
    expect(facts.passing.works).to.equal(true);
    expect(facts.backends.map(({ name }: { name: string }) => name)).to.deep.equal(
      probe().backends.map(({ name }) => name),
    );
    expect(facts.pressure).to.have.length(probe().pressure.length);
    expect(facts).to.include({ node: process.version, arch: process.arch, pageSize: probe().pageSize });
    expect(facts.limits.files.soft).to.be.a('number');
    expect(facts.memory.total).to.be.greaterThan(facts.memory.available);
    expect(facts.advice).to.be.an('array');
  });

  it('names neither the machine nor the user, nor where the home folder is', async () => {
    // The project's own folder as home: then paths of it are in the page, and shortened.
    const env = { ...process.env, HOME: join(import.meta.dirname, '../..') };
    const { output } = await run([], env);
    expect(output).to.match(/: ~\/(build|prebuilds)\//);
    expect(output).to.not.include(env.HOME);
    expect(output.split(/[\s/:]/)).to.not.include(hostname());
    // root is a word of its own in paths of cgroups.
    const { username } = userInfo();
    if (username !== 'root') expect(output.split(/[\s/:]/)).to.not.include(username);
  });

  it('where /proc shows nothing: says what it could not read, and still tries regions', function () {
    const hide = ['-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh'];
    if (spawnSync('unshare', [...hide, 'true']).status !== 0) {
      console.log('      skipped: no right to hide /proc');
      this.skip();
    }
    const program = [process.execPath, '--import', 'tsx', 'lib/cli/main.ts', 'doctor'];
    const cwd = join(import.meta.dirname, '../..');
    const { status, stdout, stderr } = spawnSync('unshare', [...hide, ...program], { cwd, encoding: 'utf8' });
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
    for (const name of ['libc', 'seccomp', 'security module', 'limits', 'cgroup', 'memory'])
      expect(stdout).to.include(`\n  ${name.padEnd(19)}not readable: /proc/`);
  });

  it('wrong options: 2, and the usage', async () => {
    const { code, output, errors } = await run(['--fix']);
    expect({ code, output }).to.deep.equal({ code: 2, output: '' });
    expect(errors).to.include("Unknown option '--fix'").and.to.include('Usage: ashmem-compat doctor');
  });

  describe('in a copy of the package', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'ashmem-doctor-'));
      const root = join(import.meta.dirname, '../..');
      // Not cpSync: it makes a call that an Android app may not make.
      const names = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)));
      for (const name of [...names, 'package.json']) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), readFileSync(join(root, name)));
      }
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    it('without an addon: 1, and says which places it tried and what mends it', async () => {
      const { code, output, errors } = await run([], process.env, join(folder, 'lib/cli/main.ts'));
      expect({ code, errors }).to.deep.equal({ code: 1, errors: '' });
      expect(output).to.match(/^Shared, purgeable regions do NOT work here\.\n/);
      expect(output).to.match(/^ {2}addon .*has no native addon for/m);
      expect(output).to.match(/^ {2}addon .*npm rebuild ashmem-compat/m);
      expect(output).to.match(/^ {2}libc /m);
    });

    it('without an addon every other command says so, and how to get one', async () => {
      const { code, output, errors } = await runProgram(join(folder, 'lib/cli/main.ts'), ['reclaim', '1'])
        .done;
      expect({ code, output }).to.deep.equal({ code: 1, output: '' });
      expect(errors).to.include('(ERR_NATIVE_NOT_FOUND)').and.to.include('npm rebuild ashmem-compat');
    });

    it('with regions that lose bytes and do not say so: 1, and what was seen', async () => {
      const library = `
        import * as real from '${join(import.meta.dirname, '../../lib/index.ts')}';
        export * from '${join(import.meta.dirname, '../../lib/index.ts')}';
        const pin = real.SharedRegion.prototype.pin;
        real.SharedRegion.prototype.pin = function (...args) { pin.apply(this, args); return 'kept'; };
      `;
      writeFileSync(join(folder, 'lib/index.ts'), library);
      writeFileSync(join(folder, 'lib/native.ts'), `export const found = { path: '/nowhere', failed: [] };`);
      const { code, output } = await run([], process.env, join(folder, 'lib/cli/main.ts'));
      expect(code).to.equal(1);
      expect(output).to.include('fails: the first pin after the loss: expected purged, saw kept');
    });
  });
});
