import { expect } from 'chai';
import { MAX_KEY_BYTES, SharedRegion, VolatileCache } from '../../lib/index.ts';
import { expectCode, expectRejection } from '../helpers/expect-code.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;

const MiB = 2 ** 20;

describe('arguments of a cache', () => {
  let cache: VolatileCache;
  before(() => {
    cache = VolatileCache.create({ capacity: MiB });
  });
  after(() => cache.close());

  const creations: [string, Any, string][] = [
    ['nothing', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['no capacity', {}, 'ERR_INVALID_ARG_TYPE'],
    ['capacity 0', { capacity: 0 }, 'ERR_OUT_OF_RANGE'],
    ['capacity of a string', { capacity: '1' }, 'ERR_INVALID_ARG_TYPE'],
    ['capacity NaN', { capacity: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    ['far too much', { capacity: Number.MAX_SAFE_INTEGER }, 'ERR_OUT_OF_RANGE'],
    ['no entries', { capacity: MiB, maxEntries: 0 }, 'ERR_OUT_OF_RANGE'],
    ['half an entry', { capacity: MiB, maxEntries: 0.5 }, 'ERR_OUT_OF_RANGE'],
    ['too many entries', { capacity: MiB, maxEntries: 2 ** 28 }, 'ERR_OUT_OF_RANGE'],
    ['an unknown backend', { capacity: MiB, backend: 'ramfs' }, 'ERR_INVALID_ARG_VALUE'],
    ['anonymous and shared', { capacity: MiB, backend: 'anonymous', scope: 'shared' }, 'ERR_NOT_SHAREABLE'],
    ['a negative ttl', { capacity: MiB, ttl: -1 }, 'ERR_OUT_OF_RANGE'],
    ['no time for a fill', { capacity: MiB, fillTimeout: 0 }, 'ERR_OUT_OF_RANGE'],
    ['a name that is a number', { capacity: MiB, name: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['warnUnreleased 1', { capacity: MiB, warnUnreleased: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [what, options, code] of creations) {
    it(`create, ${what}: ${code}`, () => {
      expectCode(() => VolatileCache.create(options), code);
    });
  }

  it('fromFd refuses what is no cache', () => {
    using region = SharedRegion.create({ size: MiB });
    expectCode(() => VolatileCache.fromFd(region.fd), 'ERR_UNTRUSTED_FD');
    expectCode(() => VolatileCache.fromFd(1_000_000), 'ERR_UNTRUSTED_FD');
    expectCode(() => VolatileCache.fromFd('1' as Any), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => VolatileCache.fromFd(-1), 'ERR_OUT_OF_RANGE');
    expectCode(() => SharedRegion.fromFd(cache.fd), 'ERR_UNTRUSTED_FD');
  });

  it('is made by create and fromFd alone', () => {
    expectCode(() => new (VolatileCache as Any)(), 'ERR_INVALID_ARG_TYPE');
  });

  const calls: Record<string, (key: Any) => unknown> = {
    get: (key) => cache.get(key),
    peek: (key) => cache.peek(key),
    has: (key) => cache.has(key),
    delete: (key) => cache.delete(key),
    set: (key) => cache.set(key, new Uint8Array(1)),
    tryRead: (key) => cache.tryRead(key, () => 1),
    fillInto: (key) => cache.fillInto(key, 1, () => {}),
  };
  for (const [name, call] of Object.entries(calls)) {
    it(`${name} wants a key`, () => {
      for (const key of [undefined, null, 1, {}, [], new ArrayBuffer(1), Symbol('s'), 1n]) {
        expectCode(() => call(key), 'ERR_INVALID_ARG_TYPE', TypeError);
      }
      expectCode(() => call('x'.repeat(MAX_KEY_BYTES + 1)), 'ERR_OUT_OF_RANGE', RangeError);
      expectCode(() => call('ä'.repeat(MAX_KEY_BYTES / 2 + 1)), 'ERR_OUT_OF_RANGE', RangeError);
      expectCode(() => call(new Uint8Array(MAX_KEY_BYTES + 1)), 'ERR_OUT_OF_RANGE', RangeError);
    });
  }

  it('set wants bytes and sound options', () => {
    for (const bytes of [
      undefined,
      null,
      'text',
      1,
      {},
      new ArrayBuffer(1),
      new Uint16Array(1),
      new DataView(new ArrayBuffer(1)),
    ]) {
      expectCode(() => cache.set('k', bytes as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
    }
    const bytes = new Uint8Array(1);
    expectCode(() => cache.set('k', bytes, 1 as Any), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => cache.set('k', bytes, { ttl: -1 }), 'ERR_OUT_OF_RANGE');
    expectCode(() => cache.set('k', bytes, { ttl: '1' as Any }), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => cache.set('k', bytes, { priority: 'high' as Any }), 'ERR_INVALID_ARG_VALUE');
    expectCode(() => cache.set('k', bytes, { meta: Number.NaN }), 'ERR_INVALID_ARG_VALUE');
    expectCode(() => cache.set('k', bytes, { meta: { f() {} } as Any }), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => cache.set('k', bytes, { meta: { big: 'x'.repeat(2 * MiB) } }), 'ERR_VALUE_TOO_LARGE');
    expect(cache.has('k')).to.equal(false);
  });

  it('fillInto, tryRead and forEach want a function', () => {
    expectCode(() => cache.fillInto('k', 1, 1 as Any), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => cache.fillInto('k', -1, () => {}), 'ERR_OUT_OF_RANGE');
    expectCode(() => cache.fillInto('k', 2 ** 40, () => {}), 'ERR_VALUE_TOO_LARGE');
    expectCode(() => cache.tryRead('k', undefined as Any), 'ERR_INVALID_ARG_TYPE');
    expectCode(() => cache.forEach(undefined as Any), 'ERR_INVALID_ARG_TYPE');
  });

  it('getOrFill rejects, and never throws', async () => {
    const fill = () => new Uint8Array(1);
    await expectRejection(cache.getOrFill(1 as Any, fill), 'ERR_INVALID_ARG_TYPE');
    await expectRejection(cache.getOrFill('k', 1 as Any), 'ERR_INVALID_ARG_TYPE');
    await expectRejection(cache.getOrFill('k', fill, 1 as Any), 'ERR_INVALID_ARG_TYPE');
    await expectRejection(cache.getOrFill('k', fill, { signal: 1 as Any }), 'ERR_INVALID_ARG_TYPE');
    await expectRejection(cache.getOrFill('k', fill, { ttl: -1 }), 'ERR_OUT_OF_RANGE');
    for (const filled of [undefined, null, 'text', {}, { bytes: 'text' }]) {
      await expectRejection(
        cache.getOrFill('k', () => filled as Any),
        'ERR_INVALID_ARG_TYPE',
      );
    }
    await expectRejection(
      cache.getOrFill('k', () => new Uint8Array(2 * MiB)),
      'ERR_VALUE_TOO_LARGE',
    );
    await expectRejection(
      cache.getOrFill('k', () => ({ bytes: new Uint8Array(1), ttl: -1 })),
      'ERR_OUT_OF_RANGE',
    );
    expect(cache.has('k')).to.equal(false);
  });
});
