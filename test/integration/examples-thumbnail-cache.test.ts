import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { CacheIndex } from '../../examples/image-cache/cache-index.ts';
import { Layout } from '../../examples/image-cache/layout.ts';
import { ChecksumError, type Image, ThumbnailCache } from '../../examples/image-cache/thumbnail-cache.ts';
import { probe, SharedRegion } from '../../lib/index.ts';

describe("the image cache's thumbnails", () => {
  const layout = new Layout(2, probe().pageSize);
  const opened: SharedRegion[] = [];
  let region: SharedRegion;
  let decoded: number;

  beforeEach(() => {
    decoded = 0;
    region = SharedRegion.create({ name: 'thumbnails', size: layout.size });
    opened.push(region);
    region.unpin(layout.indexBytes, layout.size - layout.indexBytes);
  });

  afterEach(() => {
    for (const each of opened.splice(0)) each.close();
  });

  /** A cache as another worker would have it: over an object of its own. */
  function attach(): ThumbnailCache {
    const other = SharedRegion.fromFd(region.fd);
    opened.push(other);
    return new ThumbnailCache(other, layout);
  }

  const decode = async (): Promise<Image> => {
    decoded++;
    return { width: 2, height: 1, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  };
  const purge = () => region.purge(layout.slotOffset(0), layout.slotBytes);
  const NOTHING = { decoded: false, purged: false, waited: false };

  it('are decoded once, by whoever comes first; the others wait for it', async () => {
    const seen: number[][] = [];
    const all = [attach(), attach(), attach()].map((cache) =>
      cache.access(0, decode, (image) => seen.push([...image.pixels])),
    );
    expect((await Promise.all(all)).map((outcome) => outcome.decoded)).to.deep.equal([true, false, false]);
    expect(seen).to.deep.equal(Array(3).fill([1, 2, 3, 4, 5, 6]));
    expect(decoded).to.equal(1);
  });

  it('are decoded again after a purge, once for all who are told of it', async () => {
    const [first, second] = [attach(), attach()];
    await first.access(0, decode, () => {});
    expect(await second.access(0, decode, () => {})).to.deep.equal(NOTHING);
    expect(purge()).to.equal(layout.slotBytes);
    expect(await first.access(0, decode, () => {})).to.deep.equal({
      ...NOTHING,
      purged: true,
      decoded: true,
    });
    expect(await second.access(0, decode, () => {})).to.deep.equal({ ...NOTHING, purged: true });
    expect(await second.access(0, decode, () => {})).to.deep.equal(NOTHING);
    expect(decoded).to.equal(2);
  });

  it('are not purged while in use', async () => {
    await attach().access(0, decode, () => expect(purge()).to.equal(0));
    expect(purge()).to.equal(layout.slotBytes);
  });

  it('are claimed by one worker at a time, and not on the ground of an old state', () => {
    const index = new CacheIndex(region, layout);
    const contents = { width: 2, height: 1, checksum: 0xffffffff };
    expect(index.contents(1)).to.equal(undefined);
    expect([index.claim(1, 0), index.claim(1, 0)]).to.deep.equal([true, false]);
    index.publish(1, contents);
    expect(index.contents(1)).to.deep.equal(contents);
    const old = index.state(1);
    expect(index.claim(1, old)).to.equal(true);
    index.publish(1, contents);
    expect(index.claim(1, old)).to.equal(false);
  });

  it('of a worker that died while it decoded are taken over', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const state = new Int32Array(region.buffer, 0, 1);
    state[0] = pid;
    expect(await attach().access(0, decode, () => {})).to.deep.equal({ ...NOTHING, decoded: true });
    expect(state[0]).to.equal(-1);
  });

  it('that could not be decoded are tried again by the next', async () => {
    const cache = attach();
    await cache.access(0, decode, () => {});
    purge();
    const failure = new Error('no such file');
    const result = cache.access(
      0,
      () => Promise.reject(failure),
      () => {},
    );
    expect(await result.catch((error) => error)).to.equal(failure);
    expect(await cache.access(0, decode, () => {})).to.deep.equal({ ...NOTHING, decoded: true }); // without waiting
  });

  it('whose bytes are not those that were stored are refused', async () => {
    const cache = attach();
    await cache.access(0, decode, () => {});
    region.view(layout.slotOffset(0), 1)[0] = 99;
    const result = cache.access(0, decode, () => {});
    expect(await result.catch((error) => error)).to.be.instanceOf(ChecksumError);
    expect(region.pinStatus(layout.slotOffset(0), layout.slotBytes)).to.equal('unpinned');
  });

  it('that come out different the second time are refused', async () => {
    const cache = attach();
    await cache.access(0, decode, () => {});
    purge();
    const different = async () => ({ ...(await decode()), pixels: new Uint8Array(6) });
    const result = cache.access(0, different, () => {});
    expect(await result.catch((error) => error)).to.be.instanceOf(ChecksumError);
  });

  it('fill a capacity without going beyond it', () => {
    for (const unit of [4096, 16384, 65536]) {
      for (const capacity of [0, 1, 786432, 786432 + 65536, 2 ** 26, 2 ** 32]) {
        const slots = Layout.slotsIn(capacity, unit);
        if (slots > 0) expect(new Layout(slots, unit).size).to.be.at.most(capacity);
        expect(new Layout(slots + 1, unit).size).to.be.greaterThan(capacity);
      }
    }
  });
});
