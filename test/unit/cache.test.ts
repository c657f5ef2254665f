import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { MAX_KEY_BYTES, type Scope, VolatileCache } from '../../lib/index.ts';
import { expectCode, expectRejection } from '../helpers/expect-code.ts';

const MiB = 2 ** 20;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

for (const scope of ['shared', 'process'] as Scope[]) {
  describe(`a cache of scope '${scope}'`, () => {
    let cache: VolatileCache;
    beforeEach(() => {
      cache = VolatileCache.create({ capacity: MiB, scope, name: 'test' });
    });
    afterEach(() => cache.close());

    /** What is there, as text; undefined if nothing is. */
    const look = (key: string | Uint8Array) => {
      const entry = cache.get(key);
      if (!entry) return undefined;
      const found = text(entry.bytes);
      entry.release();
      return found;
    };

    it('says what it is', () => {
      expect(cache).to.include({ scope, name: 'test', capacity: MiB, maxSize: MiB, max: 1024, size: 0 });
      expect(cache).to.include({ readonly: false, closed: false });
      expect(cache.backend).to.be.a('string');
      if (scope === 'process') expectCode(() => cache.fd, 'ERR_NOT_SHAREABLE');
      else expect(cache.fd).to.be.greaterThan(2);
    });

    it('gives back what was set, without a copy, with its meta', () => {
      expect(cache.get('a')).to.equal(undefined);
      expect(cache.set('a', Buffer.from('alpha'), { meta: { type: 'text', n: [1, null, 'ä'] } })).to.equal(
        cache,
      );
      const entry = cache.get('a')!;
      expect(text(entry.bytes)).to.equal('alpha');
      expect(entry.meta).to.deep.equal({ type: 'text', n: [1, null, 'ä'] });
      expect(entry.size).to.equal(5);
      expect(entry.remainingTtl).to.equal(Number.POSITIVE_INFINITY);
      expect(entry.bytes).to.equal(entry.bytes);
      const again = cache.get('a')!;
      expect(again.bytes.byteOffset).to.equal(entry.bytes.byteOffset);
      again.release();
      entry.release();
    });

    it('takes keys of any bytes, a string for its UTF-8', () => {
      const keys = [
        '',
        'a',
        'ä',
        '日本語',
        'x'.repeat(48),
        'x'.repeat(49),
        `${'y'.repeat(47)}é`,
        'z'.repeat(MAX_KEY_BYTES),
      ];
      for (const key of keys) cache.set(key, Buffer.from(`of ${key.slice(0, 60)}`));
      for (const key of keys) {
        expect(look(key)).to.equal(`of ${key.slice(0, 60)}`);
        expect(look(Buffer.from(key))).to.equal(`of ${key.slice(0, 60)}`);
      }
      expect([...cache.keys()].sort()).to.deep.equal([...keys].sort());
      cache.set(Uint8Array.of(0, 255, 128), Buffer.from('bytes'));
      expect(look(Uint8Array.of(0, 255, 128))).to.equal('bytes');
      expect(
        [...cache.keys('bytes')].some((key) => Buffer.from(key).equals(Buffer.of(0, 255, 128))),
      ).to.equal(true);
    });

    it('takes values of one byte and of the whole capacity, and none larger', () => {
      cache.set('one', Uint8Array.of(7));
      expect(look('one')).to.equal('\x07');
      cache.set('none', new Uint8Array(0));
      expect(look('none')).to.equal('');
      cache.clear();
      const whole = Buffer.alloc(MiB, 'w');
      cache.set('whole', whole);
      const entry = cache.get('whole')!;
      expect(Buffer.compare(entry.bytes, whole)).to.equal(0);
      expectCode(() => cache.set('more', Buffer.alloc(8)), 'ERR_NO_SPACE');
      entry.release();
      expectCode(() => cache.set('more', Buffer.alloc(2 * MiB)), 'ERR_VALUE_TOO_LARGE');
      cache.set('more', Buffer.from('now there is room'));
      expect(look('whole')).to.equal(undefined);
    });

    it('gives views of memory to fill, and publishes them then', async () => {
      const entry = cache.fillInto('sync', 4, (bytes) => void bytes.set([1, 2, 3, 4]), { meta: 1 });
      expect([...entry.bytes]).to.deep.equal([1, 2, 3, 4]);
      expect(entry.meta).to.equal(1);
      entry.release();
      const later = cache.fillInto('async', 3, async (bytes) => {
        await sleep(1);
        bytes.fill(9);
      });
      expect(cache.has('async')).to.equal(false);
      const made = await later;
      expect([...made.bytes]).to.deep.equal([9, 9, 9]);
      made.release();
      expect(cache.has('async')).to.equal(true);
      const oops = new Error('oops');
      expect(() =>
        cache.fillInto('sync', 4, () => {
          throw oops;
        }),
      ).to.throw(oops);
      expect(look('sync')).to.equal('\x01\x02\x03\x04');
      await cache
        .fillInto('async', 4, () => Promise.reject(oops))
        .then(
          () => expect.fail(),
          (e) => expect(e).to.equal(oops),
        );
      expect(cache.stats().entries).to.equal(2);
      expect(cache.stats().pinned).to.equal(0);
    });

    it('keeps the bytes of an entry that is replaced, deleted, evicted or purged while it is held', () => {
      cache.set('k', Buffer.alloc(200_000, 'a'));
      const entry = cache.get('k')!;
      cache.set('k', Buffer.from('other'));
      for (let i = 0; i < 30; i++) cache.set(`other ${i}`, Buffer.alloc(100_000, 'b'));
      cache.delete('k');
      cache.clear();
      cache.purge();
      for (let i = 0; i < 30; i++) cache.set(`other ${i}`, Buffer.alloc(100_000, 'c'));
      expect(Buffer.compare(entry.bytes, Buffer.alloc(200_000, 'a'))).to.equal(0);
      entry.release();
    });

    it('misses what was purged, and can be given it again', () => {
      cache.set('k', Buffer.alloc(10_000, 'k'));
      const held = cache.get('k')!;
      cache.purge();
      expect(look('k')).to.have.length(10_000);
      held.release();
      expect(cache.purge()).to.be.greaterThan(9_999);
      expect(cache.get('k')).to.equal(undefined);
      expect(cache.has('k')).to.equal(false);
      cache.set('k', Buffer.from('again'));
      expect(look('k')).to.equal('again');
      expect(cache.stats()).to.include({ purged: 1, refilled: 1, entries: 1, pinned: 0 });
    });

    it('lets entries get old', async () => {
      cache.set('young', Buffer.from('young'), { ttl: 1_000_000 });
      cache.set('old', Buffer.from('old'), { ttl: 1 });
      await sleep(5);
      expect(look('old')).to.equal(undefined);
      expect(cache.tryRead('old', () => true)).to.equal(undefined);
      expect(look('young')).to.equal('young');
      const entry = cache.peek('young')!;
      expect(entry.remainingTtl).to.be.within(1, 1_000_000);
      entry.release();
      expect(cache.stats().expired).to.equal(1);
      expect(cache.purgeStale()).to.equal(true);
      expect(cache.purgeStale()).to.equal(false);
      expect(cache.size).to.equal(1);
    });

    it('reads without a pin, and tells when that was in vain', () => {
      cache.set('k', Buffer.from('value'), { meta: { a: 1 } });
      expect(cache.tryRead('k', (bytes, meta) => [text(bytes), meta])).to.deep.equal(['value', { a: 1 }]);
      expect(cache.tryRead('missing', () => 1)).to.equal(undefined);
      expect(cache.tryRead('k', () => cache.set('k', Buffer.from('other')))).to.equal(undefined);
      expect(cache.tryRead('k', () => cache.delete('k'))).to.equal(undefined);
      cache.set('k', Buffer.from('value'));
      // In memory of one process a read holds, as the kernel marks what is not held.
      const kept = cache.tryRead('k', () => cache.purge() >= 0);
      expect(kept).to.equal(scope === 'process' ? true : undefined);
      cache.set('k', Buffer.from('value'));
      const oops = new Error('oops');
      expect(() =>
        cache.tryRead('k', () => {
          throw oops;
        }),
      ).to.throw(oops);
    });

    it('goes through its entries, each held until the next', () => {
      for (let i = 0; i < 10; i++) cache.set(`k${i}`, Buffer.from(`v${i}`));
      const seen = new Map<string, string>();
      for (const [key, entry] of cache) seen.set(key, text(entry.bytes));
      expect(seen.size).to.equal(10);
      expect(seen.get('k7')).to.equal('v7');
      expect([...cache.values()].every((entry) => entry.released)).to.equal(true);
      for (const entry of cache.values()) {
        expect(entry.released).to.equal(false);
        break;
      }
      let calls = 0;
      cache.forEach((entry, key, of) => {
        expect(of).to.equal(cache);
        expect(text(entry.bytes)).to.equal(key.replace('k', 'v'));
        calls++;
      });
      expect(calls).to.equal(10);
      expect(cache.stats().pinned).to.equal(0);
    });

    it('counts', () => {
      cache.set('a', Buffer.alloc(1000));
      look('a');
      look('a');
      look('b');
      cache.peek('a')!.release();
      expect(cache.stats()).to.include({ hits: 2, misses: 1, fills: 0, waits: 0, entries: 1, capacity: MiB });
    });

    it('is closed once, and says so afterwards', async () => {
      cache.set('a', Buffer.from('a'));
      const entry = cache.get('a')!;
      const { bytes } = entry;
      const waiting = cache.getOrFill('never', () => new Promise(() => {}));
      const second = cache.getOrFill('never', () => new Promise(() => {}));
      cache.close();
      cache.close();
      expect(cache.closed).to.equal(true);
      expect(bytes.length === 0 || bytes[0] === 0).to.equal(true);
      entry.release();
      expectCode(() => entry.bytes, 'ERR_REGION_CLOSED');
      for (const call of [
        () => cache.get('a'),
        () => cache.peek('a'),
        () => cache.set('a', Buffer.from('b')),
        () => cache.has('a'),
        () => cache.delete('a'),
        () => cache.clear(),
        () => cache.stats(),
        () => cache.size,
        () => cache.purge(),
        () => cache.purgeStale(),
        () => [...cache.keys()],
        () => cache.tryRead('a', () => 1),
        () => cache.fillInto('a', 1, () => {}),
        () => cache.fd,
      ]) {
        expectCode(call, 'ERR_REGION_CLOSED');
      }
      await expectRejection(
        cache.getOrFill('a', () => Buffer.from('b')),
        'ERR_REGION_CLOSED',
      );
      await expectRejection(second, 'ERR_REGION_CLOSED');
      void waiting;
    });
  });
}

describe('an entry', () => {
  it('is released once, and has no bytes then', () => {
    using cache = VolatileCache.create({ capacity: MiB });
    cache.set('a', Buffer.from('a'), { meta: 'm' });
    const entry = cache.get('a')!;
    expect(entry.released).to.equal(false);
    entry.release();
    entry.release();
    expect(entry.released).to.equal(true);
    expect(entry.size).to.equal(1);
    expectCode(() => entry.bytes, 'ERR_ENTRY_RELEASED');
    expectCode(() => entry.meta, 'ERR_ENTRY_RELEASED');
    // A pin of another entry with the same number is not its own.
    const other = cache.get('a')!;
    entry.release();
    cache.purge();
    expect(text(other.bytes)).to.equal('a');
    other.release();
  });

  it('of a closed cache releases nothing of the next', () => {
    const first = VolatileCache.create({ capacity: MiB });
    first.set('a', Buffer.from('a'));
    const entry = first.get('a')!;
    first.close();
    using second = VolatileCache.create({ capacity: MiB });
    second.set('a', Buffer.from('b'));
    const held = second.get('a')!;
    entry.release();
    second.purge();
    expect(text(held.bytes)).to.equal('b');
    held.release();
  });

  it('that is forgotten is released, with a warning, if somebody wants to know', async () => {
    using cache = VolatileCache.create({ capacity: MiB, warnUnreleased: true });
    cache.set('a', Buffer.from('a'));
    cache.get('a')!.release();
    const warned = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve));
    // In a function of its own, so that nothing on the stack keeps it.
    (() => cache.get('a'))();
    expect(cache.stats().pinned).to.be.greaterThan(0);
    let warning: (Error & { code?: string }) | undefined;
    void warned.then((one) => {
      warning = one;
    });
    while (!warning) {
      globalThis.gc!();
      await sleep(1);
    }
    expect(warning.code).to.equal('ASHMEM_COMPAT_UNRELEASED');
    expect(cache.stats().pinned).to.equal(0);
  });
});
