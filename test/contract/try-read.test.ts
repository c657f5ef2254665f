import { expect } from 'chai';
import { OpenRegions } from '../helpers/open-regions.ts';
import { pageSize as page } from '../helpers/page.ts';
import { describeContract } from './backends.ts';

describeContract('tryRead', (backend) => {
  const open = new OpenRegions();
  afterEach(() => open.close());

  it("gives fn's result for bytes that are there, and undefined for others", () => {
    const region = open.add(backend.create(4 * page));
    new Uint8Array(region.buffer).fill(4);
    expect(region.tryRead(0, page, (bytes) => bytes[0])).to.equal(4);
    region.unpin();
    expect(region.tryRead(0, 4 * page, (bytes) => bytes[page])).to.equal(4);
    expect(region.pinStatus()).to.equal('unpinned');
    region.purge(page, page);
    let called = false;
    expect(
      region.tryRead(0, 2 * page, () => {
        called = true;
      }),
    ).to.equal(undefined);
    expect(called).to.equal(false);
    expect(region.tryRead(2 * page, 2 * page, (bytes) => bytes[0])).to.equal(4);
    expect(region.pin(0, 2 * page)).to.equal('purged'); // a look takes no notice away
  });

  it('gives undefined for bytes that were lost while fn read them', () => {
    const region = open.add(backend.create(page));
    region.unpin();
    let lost = -1;
    const result = region.tryRead(0, page, () => {
      lost = region.purge();
      return 'whole';
    });
    expect(lost).to.equal(backend.readsHold ? 0 : page);
    expect(result).to.equal(lost === 0 ? 'whole' : undefined);
  });

  it('gives undefined for bytes that were lost and refilled while fn read them', () => {
    const region = open.add(backend.create(page));
    region.unpin();
    let lost = -1;
    const result = region.tryRead(0, page, () => {
      lost = region.purge();
      region.pin();
      region.unpin();
      return 'whole';
    });
    expect(lost).to.equal(backend.readsHold ? 0 : page);
    expect(result).to.equal(lost === 0 ? 'whole' : undefined);
    expect(region.pinStatus()).to.equal('unpinned');
  });

  it('gives undefined for bytes that were pinned at first, and lost and refilled while fn read them', () => {
    const region = open.add(backend.create(page));
    let lost = -1;
    const result = region.tryRead(0, page, () => {
      region.unpin();
      lost = region.purge();
      region.pin();
      return 'whole';
    });
    expect(lost).to.equal(backend.readsHold ? 0 : page);
    expect(result).to.equal(lost === 0 ? 'whole' : undefined);
  });

  it('passes on what fn throws', () => {
    const region = open.add(backend.create(page));
    for (const held of [true, false]) {
      expect(() =>
        region.tryRead(0, page, () => {
          throw new Error('mine');
        }),
      ).to.throw('mine');
      expect(region.pinStatus()).to.equal(held ? 'pinned' : 'unpinned');
      if (held) region.unpin();
    }
  });

  it('does not mind a close meanwhile', () => {
    const region = open.add(backend.create(page));
    region.unpin();
    expect(region.tryRead(0, page, () => region.close())).to.equal(undefined);
  });
});
