import { openSync } from 'node:fs';
import { expect } from 'chai';
import { VolatileCache } from '../../lib/index.ts';
import { CachePeer } from '../helpers/cache-processes.ts';
import { expectCode, expectRejection } from '../helpers/expect-code.ts';

const MiB = 2 ** 20;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('a cache between processes', function () {
  this.timeout(300_000);
  let cache: VolatileCache;
  const peers: CachePeer[] = [];
  const start = async (count: number) => {
    const started = await Promise.all(Array.from({ length: count }, () => CachePeer.start(cache.fd)));
    peers.push(...started);
    return started;
  };
  beforeEach(() => {
    cache = VolatileCache.create({ capacity: 4 * MiB, fillTimeout: 120_000 });
  });
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.killed()));
    cache.close();
  });

  it('has what any of them has set', async () => {
    const [peer] = (await start(1)) as [CachePeer];
    cache.set('mine', Buffer.from('here'));
    expect(await peer.ask('get', 'mine')).to.equal('here');
    await peer.ask('set', 'theirs', 'there');
    expect(cache.tryRead('theirs', (bytes, meta) => [text(bytes), meta])).to.deep.equal([
      'there',
      { pid: peer.child.pid },
    ]);
    expect(cache.stats()).to.include({ entries: 2, hits: 1, misses: 0 });
    await peer.killed();
    expect(cache.stats()).to.include({ entries: 2, hits: 1, misses: 0 });
  });

  it('keeps what one of them holds, until it is dead', async () => {
    const [peer] = (await start(1)) as [CachePeer];
    cache.set('k', Buffer.from('held'));
    expect(await peer.ask('hold', 'k')).to.equal('held');
    cache.purge();
    expect(cache.tryRead('k', text)).to.equal('held');
    expect(cache.stats().pinned).to.be.greaterThan(0);
    await peer.killed();
    cache.purge();
    expect(cache.has('k')).to.equal(false);
    expect(cache.stats().pinned).to.equal(0);
  });

  it('is filled once for all who ask', async () => {
    const eight = await start(8);
    const results = await Promise.all(eight.map((peer) => peer.ask('race', 1000)));
    let fills = 0;
    for (const result of results) {
      expect(result.wrong).to.equal(0);
      fills += result.fills;
    }
    expect(fills).to.equal(1000);
    expect(cache.stats()).to.include({ fills: 1000, entries: 1000 });
  });

  it('takes over from a filler that dies, while the event loop goes on', async () => {
    const [first, second] = (await start(2)) as [CachePeer, CachePeer];
    for (let round = 0; round < 2; round++) {
      const filler = round === 0 ? first : second;
      expect(await filler.ask('hang', `k${round}`)).to.equal('filling');
      let turns = 0;
      const ticking = setInterval(() => turns++, 1);
      const mine = cache.getOrFill(`k${round}`, () => Buffer.from('mine'));
      const dead = new Promise((resolve) => setTimeout(resolve, 50)).then(() => filler.killed());
      const entry = await mine;
      await dead;
      clearInterval(ticking);
      expect(text(entry.bytes)).to.equal('mine');
      expect(turns).to.be.greaterThan(0);
      entry.release();
    }
  });

  it('lets one of those who wait take over, and the others have what it fills', async () => {
    const [filler, ...others] = (await start(4)) as [CachePeer, ...CachePeer[]];
    await filler.ask('hang', 'k');
    const waiting = others.map((peer) => peer.ask('ask', 'k'));
    const own = cache.getOrFill('k', () => Buffer.from(`by ${process.pid}`));
    await filler.killed();
    const entry = await own;
    const filled = text(entry.bytes);
    entry.release();
    expect(await Promise.all(waiting)).to.deep.equal(others.map(() => filled));
    expect(cache.stats().fills).to.equal(2);
  });

  it('is read through an fd that can only be read, by tryRead alone', async () => {
    cache.set('k', Buffer.from('value'), { meta: 1 });
    const readable = VolatileCache.fromFd(openSync(`/proc/self/fd/${cache.fd}`, 'r'));
    expect(readable.readonly).to.equal(true);
    expect(readable.tryRead('k', (bytes, meta) => [text(bytes), meta])).to.deep.equal(['value', 1]);
    expect(readable.tryRead('missing', text)).to.equal(undefined);
    expect(readable.size).to.equal(1);
    for (const call of [
      () => readable.get('k'),
      () => readable.peek('k'),
      () => readable.has('k'),
      () => readable.set('k', Buffer.from('other')),
      () => readable.delete('k'),
      () => readable.clear(),
      () => readable.purge(),
      () => readable.purgeStale(),
      () => [...readable.keys()],
      () => readable.fillInto('k', 1, () => {}),
    ]) {
      expectCode(call, 'ERR_READ_ONLY');
    }
    await expectRejection(
      readable.getOrFill('k', () => Buffer.from('v')),
      'ERR_READ_ONLY',
    );
    expect(readable.stats()).to.include({ entries: 1 });
    expect(readable.tryRead('k', () => cache.set('k', Buffer.from('other')))).to.equal(undefined);
    expect(readable.tryRead('k', text)).to.equal('other');
    cache.purge();
    expect(readable.tryRead('k', text)).to.equal(undefined);
    readable.close();
  });
});
