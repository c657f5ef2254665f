import { expect } from 'chai';
import { type ByteRange, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { OpenRegions } from '../helpers/open-regions.ts';
import { pageSize as page } from '../helpers/page.ts';
import { describeContract, where } from './backends.ts';

describeContract('pins', (backend) => {
  const open = new OpenRegions();
  const region = (size = 8 * page, options: object = {}) => open.add(backend.create(size, options));
  afterEach(() => open.close());

  it('hold everything for the creator', () => {
    const a = region();
    expect(a.pinStatus()).to.equal('pinned');
    expect(a.purge()).to.equal(0);
    a.unpin();
    expect(a.pinStatus()).to.equal('unpinned');
  });

  it('are unpinned if any unit of the range is', () => {
    const a = region();
    a.unpin(2 * page, page);
    expect(a.pinStatus()).to.equal('unpinned');
    expect(a.pinStatus(0, 2 * page)).to.equal('pinned');
    expect(a.pinStatus(page, 2 * page)).to.equal('unpinned');
  });

  it('nest', () => {
    const a = region();
    expect(a.pin()).to.equal('kept');
    a.unpin();
    expect(a.purge()).to.equal(0);
    a.unpin();
    expect(a.purge()).to.equal(8 * page);
  });

  it('cannot be given back twice, and a refused unpin changes nothing', () => {
    const a = region();
    a.unpin(4 * page, 4 * page);
    expectCode(() => a.unpin(), 'ERR_NOT_PINNED');
    expect(a.pinStatus(0, 4 * page)).to.equal('pinned');
    a.unpin(0, 4 * page);
    expectCode(() => a.unpin(0, page), 'ERR_NOT_PINNED');
  });

  it('tell what was lost, where, and once', () => {
    const a = region(8 * page + 7);
    new Uint8Array(a.buffer).fill(1);
    a.unpin();
    expect(a.purge(page, 2 * page)).to.equal(2 * page);
    expect(a.purge(8 * page, 7)).to.equal(7);
    const lost: ByteRange[] = [];
    expect(a.pin(0, undefined, lost)).to.equal('purged');
    expect(lost).to.deep.equal([
      { offset: page, length: 2 * page },
      { offset: 8 * page, length: 7 },
    ]);
    const again: ByteRange[] = [];
    expect(a.pin(0, undefined, again)).to.equal('kept');
    expect(again).to.deep.equal([]);
    expect(new Uint8Array(a.buffer)[page]).to.equal(0);
    expect(new Uint8Array(a.buffer)[0]).to.equal(1);
  });

  it('keep bytes of zeros', () => {
    const a = region(4 * page);
    new Uint8Array(a.buffer).fill(0);
    a.unpin();
    expect(a.pin()).to.equal('kept');
  });

  it('count bytes by state', () => {
    const a = region();
    new Uint8Array(a.buffer).fill(1);
    a.unpin(0, 6 * page);
    a.purge(0, 2 * page);
    expect(a.stats()).to.deep.equal({
      size: 8 * page,
      pinned: 2 * page,
      unpinned: 6 * page,
      purged: 2 * page,
      resident: 6 * page,
    });
  });

  it('come in units of the granularity', () => {
    const a = region(10 * page, { granularity: 4 * page });
    expect(a.granularity).to.equal(4 * page);
    expectCode(() => a.pin(page, 4 * page), 'ERR_INVALID_RANGE', RangeError);
    a.unpin(8 * page, 2 * page);
    expect(a.purge()).to.equal(2 * page);
  });

  where(backend, 'sharing', () => {
    it('of one object say nothing about another', () => {
      const a = region();
      const b = open.attach(a);
      expectCode(() => b.unpin(0, page), 'ERR_NOT_PINNED');
      b.pin(0, page);
      a.unpin();
      expect(a.purge()).to.equal(7 * page);
      b.close();
      expect(a.purge()).to.equal(page);
    });

    it('tell every object of a loss, also when another has refilled it', () => {
      const a = region();
      const b = open.attach(a);
      a.unpin();
      b.purge();
      expect(a.pin(0, page)).to.equal('purged');
      new Uint8Array(a.buffer)[0] = 9;
      a.unpin(0, page);
      expect(b.pin(0, page)).to.equal('purged');
      expect(new Uint8Array(b.buffer)[0]).to.equal(9);
      expect(open.attach(a).pin(0, page)).to.equal('kept');
      expect(open.attach(a).pin(page, page)).to.equal('purged');
    });

    it('are given back by the garbage collector', async function () {
      if (!globalThis.gc) this.skip();
      const a = region();
      a.unpin();
      (() => {
        SharedRegion.fromFd(a.fd).pin();
      })();
      expect(a.purge()).to.equal(0);
      for (let i = 0; i < 200 && a.pinStatus() !== 'unpinned'; i++) {
        globalThis.gc!();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(a.pinStatus(0, page)).to.equal('unpinned');
    });

    it('stay while only the bytes are reachable', async function () {
      if (!globalThis.gc) this.skip();
      const a = region();
      a.unpin();
      let bytes: Uint8Array | undefined;
      (() => {
        const b = SharedRegion.fromFd(a.fd);
        b.pin();
        bytes = new Uint8Array(b.buffer);
      })();
      for (let i = 0; i < 20; i++) {
        globalThis.gc!();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(a.purge()).to.equal(0);
      expect(bytes!.length).to.equal(8 * page);
    });
  });
});
