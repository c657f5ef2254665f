import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Filled, VolatileCache } from '../../lib/index.ts';

const MiB = 2 ** 20;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** A promise that is settled by hand. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('getOrFill', () => {
  let cache: VolatileCache;
  beforeEach(() => {
    cache = VolatileCache.create({ capacity: MiB, fillTimeout: 300 });
  });
  afterEach(() => cache.close());

  it('fills what is missing, once', async () => {
    let fills = 0;
    const fill = (key: string | Uint8Array) => {
      fills++;
      return Buffer.from(`value of ${key}`);
    };
    for (let i = 0; i < 3; i++) {
      const entry = await cache.getOrFill('k', fill);
      expect(text(entry.bytes)).to.equal('value of k');
      entry.release();
    }
    expect(fills).to.equal(1);
    expect(cache.stats()).to.include({ fills: 1, waits: 0, hits: 2, misses: 1 });
  });

  it('takes meta, priority and ttl from the fill and from the call', async () => {
    const bytes = Buffer.from('v');
    const entry = await cache.getOrFill('k', async () => ({ bytes, meta: { from: 'fill' } }), {
      meta: 'call',
      ttl: 50_000,
    });
    expect(entry.meta).to.deep.equal({ from: 'fill' });
    expect(entry.remainingTtl).to.be.within(1, 50_000);
    entry.release();
  });

  it('makes all who ask at once wait for one fill', async () => {
    const work = deferred<Filled>();
    let fills = 0;
    const all = Array.from({ length: 50 }, () =>
      cache.getOrFill('k', () => {
        fills++;
        return work.promise;
      }),
    );
    await sleep(20);
    work.resolve(Buffer.from('one'));
    for (const entry of await Promise.all(all)) {
      expect(text(entry.bytes)).to.equal('one');
      entry.release();
    }
    expect(fills).to.equal(1);
    expect(cache.stats()).to.include({ fills: 1, waits: 49, pinned: 0 });
  });

  it('gives a failure to its own caller, and lets the next take over', async () => {
    const oops = new Error('oops');
    let fills = 0;
    const fill = async () => {
      await sleep(5);
      if (++fills < 3) throw oops;
      return Buffer.from('third');
    };
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => cache.getOrFill('k', fill)));
    expect(results.map((r) => r.status)).to.deep.equal([
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(results.slice(0, 2).every((r) => r.status === 'rejected' && r.reason === oops)).to.equal(true);
    for (const r of results) if (r.status === 'fulfilled') r.value.release();
    expect(fills).to.equal(3);
  });

  it('takes over from a fill that is stuck, whose late value serves its own caller alone', async () => {
    const stuck = deferred<Filled>();
    const first = cache.getOrFill('k', () => stuck.promise);
    const second = await cache.getOrFill('k', () => Buffer.from('second'));
    expect(text(second.bytes)).to.equal('second');
    stuck.resolve(Buffer.from('late'));
    const late = await first;
    expect(text(late.bytes)).to.equal('late');
    const now = cache.get('k')!;
    expect(text(now.bytes)).to.equal('second');
    for (const entry of [second, late, now]) entry.release();
    expect(cache.stats()).to.include({ entries: 1, pinned: 0 });
  });

  it('lets set() and delete() win over a fill that began before', async () => {
    const work = deferred<Filled>();
    const filled = cache.getOrFill('k', () => work.promise);
    const waiting = cache.getOrFill('k', () => Buffer.from('never'));
    cache.set('k', Buffer.from('set'));
    const waited = await waiting;
    expect(text(waited.bytes)).to.equal('set');
    work.resolve(Buffer.from('stale'));
    const own = await filled;
    expect(text(own.bytes)).to.equal('stale');
    expect(cache.tryRead('k', text)).to.equal('set');
    own.release();
    waited.release();

    const more = deferred<Filled>();
    const gone = cache.getOrFill('other', () => more.promise);
    cache.delete('other');
    more.resolve(Buffer.from('stale'));
    (await gone).release();
    expect(cache.has('other')).to.equal(false);
  });

  it('is ended by a signal, whoever fills', async () => {
    const reason = new Error('enough');
    const rejected = async (promise: Promise<unknown>) =>
      expect(await promise.catch((e) => e)).to.equal(reason);
    await rejected(cache.getOrFill('k', () => Buffer.from('v'), { signal: AbortSignal.abort(reason) }));
    expect(cache.stats().fills).to.equal(0);

    const filler = new AbortController();
    const waiter = new AbortController();
    let told: AbortSignal | undefined;
    const work = deferred<Filled>();
    const own = cache.getOrFill(
      'k',
      (_, { signal }) => {
        told = signal;
        return work.promise;
      },
      { signal: filler.signal },
    );
    const abandoned = cache.getOrFill('k', () => Buffer.from('never'), { signal: waiter.signal });
    const patient = cache.getOrFill('k', () => Buffer.from('taken over'));
    waiter.abort(reason);
    await rejected(abandoned);
    filler.abort(reason);
    await rejected(own);
    expect(told?.aborted).to.equal(true);
    const entry = await patient;
    expect(text(entry.bytes)).to.equal('taken over');
    entry.release();
    work.resolve(Buffer.from('ignored'));
    await sleep(1);
    expect(cache.tryRead('k', text)).to.equal('taken over');
  });

  it('fills again what was purged', async () => {
    let fills = 0;
    const ask = async () => {
      const entry = await cache.getOrFill('k', () => Buffer.from(`fill ${++fills}`));
      const found = text(entry.bytes);
      entry.release();
      return found;
    };
    expect(await ask()).to.equal('fill 1');
    cache.purge();
    expect(await ask()).to.equal('fill 2');
    expect(await ask()).to.equal('fill 2');
    expect(cache.stats()).to.include({ purged: 1, refilled: 1 });
  });

  it('keeps the key that was asked for, whatever becomes of its buffer', async () => {
    const key = Buffer.from('aaaa');
    const filled = cache.getOrFill(key, async () => {
      await sleep(1);
      return Buffer.from('v');
    });
    key.fill('b');
    (await filled).release();
    expect(cache.has('aaaa')).to.equal(true);
    expect(cache.has('bbbb')).to.equal(false);
  });

  it('fills many keys at once', async () => {
    const fill = async (key: string | Uint8Array) => {
      await sleep(1);
      return Buffer.from(String(key));
    };
    const all = await Promise.all(
      Array.from({ length: 2000 }, (_, i) => cache.getOrFill(`key ${i % 1000}`, fill)),
    );
    all.forEach((entry, i) => {
      expect(text(entry.bytes)).to.equal(`key ${i % 1000}`);
      entry.release();
    });
    expect(cache.stats().fills).to.equal(1000);
  });
});
