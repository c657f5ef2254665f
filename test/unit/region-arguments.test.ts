import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AshmemError, probe, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { wrongNumbers, wrongTypes } from '../helpers/wrong-values.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;

describe('arguments', () => {
  describe('of create', () => {
    const rows: [string, object, string, (new (...args: never[]) => Error)?][] = [
      ...wrongTypes.map(
        (size) => [`size ${String(size)}`, { size }, 'ERR_INVALID_ARG_TYPE', TypeError] as Any,
      ),
      ...wrongNumbers.map((size) => [`size ${size}`, { size }, 'ERR_OUT_OF_RANGE', RangeError] as Any),
      ['no size', {}, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['size 0', { size: 0 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['size 2^53 - 1', { size: Number.MAX_SAFE_INTEGER }, 'ERR_SYSTEM'],
      ['name 1', { size: 1, name: 1 }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['a NUL in the name', { size: 1, name: 'a\0b' }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ['a long name', { size: 1, name: 'ä'.repeat(125) }, 'ERR_OUT_OF_RANGE', RangeError],
      ['granularity of half a page', { size: 1, granularity: page / 2 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['granularity of three pages', { size: 1, granularity: page * 3 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['granularity a string', { size: 1, granularity: '4096' }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['an unknown backend', { size: 1, backend: 'ramfs' }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ...(probe().backends.find(({ name }) => name === 'vrange')?.available
        ? []
        : [
            [
              'a backend that is not here',
              { size: 1, backend: 'vrange' },
              'ERR_BACKEND_UNAVAILABLE',
            ] as const,
          ]),
      ['an unknown scope', { size: 1, scope: 'world' }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ['anonymous and shared', { size: 1, backend: 'anonymous', scope: 'shared' }, 'ERR_NOT_SHAREABLE'],
      ['memfd in one process', { size: 1, backend: 'memfd', scope: 'process' }, 'ERR_BACKEND_UNAVAILABLE'],
      ['no processes', { size: 1, maxProcesses: 0 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['too many processes', { size: 1, maxProcesses: 1021 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['a name of null', { size: 1, name: null }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['a scope of null', { size: 1, scope: null }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['a negative time', { size: 1, busyTimeout: -1 }, 'ERR_OUT_OF_RANGE', RangeError],
    ];
    for (const [what, options, code, type] of rows) {
      it(`${what}: ${code}`, () => {
        expectCode(() => SharedRegion.create(options as Any), code, type);
      });
    }
    it('nothing at all: ERR_INVALID_ARG_TYPE', () => {
      expectCode(() => (SharedRegion.create as Any)(), 'ERR_INVALID_ARG_TYPE', TypeError);
    });
    it('a failed system call has errno and syscall, as in Node', () => {
      const error = expectCode(() => SharedRegion.create({ size: 2 ** 52 }), 'ERR_SYSTEM');
      expect(error.errno).to.be.lessThan(0);
      expect(error.syscall).to.be.a('string');
    });
  });

  describe('of fromFd', () => {
    for (const fd of wrongTypes) {
      it(`${String(fd)}: ERR_INVALID_ARG_TYPE`, () => {
        expectCode(() => SharedRegion.fromFd(fd as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
      });
    }
    for (const fd of [-1, 0.5, Number.NaN, 2 ** 31]) {
      it(`${fd}: ERR_OUT_OF_RANGE`, () => {
        expectCode(() => SharedRegion.fromFd(fd), 'ERR_OUT_OF_RANGE', RangeError);
      });
    }
    it('an fd that is not open: ERR_UNTRUSTED_FD', () => {
      expectCode(() => SharedRegion.fromFd(100000), 'ERR_UNTRUSTED_FD');
    });
    it('fds that are not regions: ERR_UNTRUSTED_FD, and nothing is leaked', () => {
      const folder = mkdtempSync(join(tmpdir(), 'ashmem-compat-'));
      writeFileSync(join(folder, 'file'), Buffer.alloc(1 << 16));
      const before = readdirSync('/proc/self/fd').length;
      for (const path of [folder, join(folder, 'file'), '/dev/zero', '/proc/self/stat', '/dev/null']) {
        const fd = openSync(path, 'r');
        expectCode(() => SharedRegion.fromFd(fd), 'ERR_UNTRUSTED_FD');
        closeSync(fd);
      }
      expect(readdirSync('/proc/self/fd').length).to.equal(before);
      rmSync(folder, { recursive: true });
    });
    it("backend 'anonymous': ERR_NOT_SHAREABLE", () => {
      expectCode(() => SharedRegion.fromFd(0, { backend: 'anonymous' }), 'ERR_NOT_SHAREABLE');
    });
  });

  it('a region is made by create and fromFd alone', () => {
    const a = SharedRegion.create({ size: page });
    expectCode(() => new (SharedRegion as Any)(), 'ERR_INVALID_ARG_TYPE', TypeError);
    expect(a.closed).to.equal(false);
    expect(a.pin()).to.equal('kept');
    a.close();
  });

  it('errors are AshmemErrors, and nothing else is', () => {
    class Theirs extends AshmemError {}
    expect(new AshmemError('ERR_SYSTEM', 'x') instanceof Theirs).to.equal(false);
    expect(new Theirs('ERR_SYSTEM', 'x') instanceof Theirs).to.equal(true);
    expect(new Error('x') instanceof AshmemError).to.equal(false);
    expect((null as Any) instanceof AshmemError).to.equal(false);
  });
});
