import { expect } from 'chai';
import { AshmemError, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;

describe('arguments', () => {
  const wrongNumbers = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 70, -(2 ** 40)];
  const wrongTypes = ['1', null, {}, [], 1n, true, () => 1, Symbol('s')];

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
      ['a backend that is not here', { size: 1, backend: 'vrange' }, 'ERR_BACKEND_UNAVAILABLE'],
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
    it("backend 'anonymous': ERR_NOT_SHAREABLE", () => {
      expectCode(() => SharedRegion.fromFd(0, { backend: 'anonymous' }), 'ERR_NOT_SHAREABLE');
    });
  });

  for (const options of [{}, { scope: 'process' }] as const) {
    describe(`of ranges, ${'scope' in options ? 'anonymous' : 'memfd'}`, () => {
      let region: SharedRegion;
      beforeEach(() => {
        region = SharedRegion.create({ size: 4 * page + 10, ...options });
      });
      afterEach(() => region.close());

      const methods: Record<string, (offset: Any, length: Any) => unknown> = {
        pin: (offset, length) => region.pin(offset, length),
        'pin with lost': (offset, length) => region.pin(offset, length, []),
        unpin: (offset, length) => region.unpin(offset, length),
        pinStatus: (offset, length) => region.pinStatus(offset, length),
        purge: (offset, length) => region.purge(offset, length),
        access: (offset, length) => region.access(offset, length, () => 1),
        tryRead: (offset, length) => region.tryRead(offset, length, () => 1),
      };
      for (const [name, call] of Object.entries(methods)) {
        it(`${name} refuses what is no range of units, with the value in the message`, () => {
          for (const offset of [...wrongNumbers, 1, page - 1, 4 * page + 10, 5 * page]) {
            const error = expectCode(() => call(offset, page), 'ERR_INVALID_RANGE', RangeError);
            expect(error.message).to.include(String(offset));
          }
          for (const length of [...wrongNumbers, 0, 1, page + 1, 5 * page, 4 * page + 11]) {
            expectCode(() => call(0, length), 'ERR_INVALID_RANGE', RangeError);
          }
          expectCode(() => call(4 * page, 9), 'ERR_INVALID_RANGE', RangeError);
          for (const wrong of wrongTypes) {
            expectCode(() => call(wrong, page), 'ERR_INVALID_ARG_TYPE', TypeError);
            expectCode(() => call(0, wrong), 'ERR_INVALID_ARG_TYPE', TypeError);
          }
          expect(region.pinStatus()).to.equal('pinned');
        });
      }

      it('view takes any bytes within the region', () => {
        expect(region.view(4 * page + 3, 7).length).to.equal(7);
        expect(region.view(4 * page + 10, 0).length).to.equal(0);
        for (const [offset, length] of [
          [0, 4 * page + 11],
          [1, -1],
          [-1, 1],
          [0.5, 1],
          [4 * page + 11, 0],
        ] as const) {
          expectCode(() => region.view(offset, length), 'ERR_INVALID_RANGE', RangeError);
        }
        expectCode(() => region.view('0' as Any, 1), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => (region.view as Any)(), 'ERR_INVALID_ARG_TYPE', TypeError);
      });

      it('callbacks and lists must be what they should', () => {
        expectCode(() => region.access(0, page, 1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => region.tryRead(0, page, 1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => region.pin(0, page, {} as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => region.pin(0, page, Object.freeze([]) as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => region.protect('write' as Any), 'ERR_INVALID_ARG_VALUE', TypeError);
        expectCode(() => region.protect(1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
      });
    });
  }

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
