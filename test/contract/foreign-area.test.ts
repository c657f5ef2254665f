import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { type ByteRange, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { nativeProgram } from '../helpers/native-program.ts';
import { OpenRegions } from '../helpers/open-regions.ts';
import { pageSize as page } from '../helpers/page.ts';
import { backends } from './backends.ts';

const device = '/dev/ashmem';

// Areas that others have made, with no control area of ours: the driver's own pins are all that there is.
describe('an ashmem area of a foreign maker', () => {
  const ashmem = backends.find(({ name }) => name === 'ashmem');
  if (!ashmem || !existsSync(device)) {
    it(`skipped: ${ashmem ? `no ${device}` : 'ashmem does not work here'}`);
    return;
  }

  const open = new OpenRegions();
  /** An object on an area of this many bytes of 7. Its maker is gone; the open file lives on in ours. */
  const area = (size: number): SharedRegion => {
    const fd = openSync(device, 'r+');
    try {
      const made = spawnSync(nativeProgram('region_peer'), ['3', 'make-area', `${size}`], {
        stdio: ['ignore', 'inherit', 'inherit', fd],
      });
      expect(made.status).to.equal(0);
      return open.add(SharedRegion.fromFd(fd));
    } finally {
      closeSync(fd);
    }
  };
  afterEach(() => open.close());

  it('is a region whose pins are not counted', () => {
    const a = area(4 * page);
    expect([a.backend, a.scope, a.size, a.granularity]).to.deep.equal(['ashmem', 'shared', 4 * page, page]);
    expect([a.counted, a.readonly, a.closed]).to.deep.equal([false, false, false]);
    expect([...new Set(new Uint8Array(a.buffer))]).to.deep.equal([7]);
    expect(open.attach(a).counted).to.equal(false);
  });

  it('is pinned and unpinned, but not by objects that do not hold it', () => {
    const a = area(4 * page);
    expect(a.pinStatus()).to.equal('pinned');
    expectCode(() => a.unpin(), 'ERR_NOT_PINNED');
    expect(a.pin()).to.equal('kept');
    a.unpin(page, page);
    expect(a.pinStatus()).to.equal('unpinned');
    expect(a.pinStatus(2 * page, 2 * page)).to.equal('pinned');
    expect(a.stats()).to.include({ size: 4 * page, pinned: 3 * page, unpinned: page });
    expectCode(() => a.unpin(page, page), 'ERR_NOT_PINNED');
  });

  it('is never discarded by us, and never called whole without a pin', () => {
    const a = area(2 * page);
    a.pin();
    a.unpin();
    expect(a.purge()).to.equal(0);
    expect(a.tryRead(0, page, () => 1)).to.equal(undefined);
    expect(a.pin()).to.equal('kept');
    expect(a.view(0, 1)[0]).to.equal(7);
  });

  const { provoke } = ashmem;
  it('tells what the kernel has discarded, to the first who pins', function () {
    if (typeof provoke === 'string') {
      console.log(`        skipped: ${provoke}`);
      this.skip();
    }
    const a = area(8 * page);
    a.pin();
    a.unpin(2 * page, 3 * page);
    provoke();
    const lost: ByteRange[] = [];
    expect(a.pin(0, undefined, lost)).to.equal('purged');
    expect(lost).to.deep.equal([{ offset: 2 * page, length: 3 * page }]);
    expect([...new Set(a.view(2 * page, 3 * page))]).to.deep.equal([0]);
    expect([...new Set(a.view(0, 2 * page))]).to.deep.equal([7]);
  });

  it('can be protected, and is read-only from then on', () => {
    const a = area(page);
    a.protect('read');
    const reader = open.attach(a);
    expect([reader.readonly, reader.counted]).to.deep.equal([true, false]);
    expectCode(() => reader.pin(), 'ERR_READ_ONLY');
    reader.view(0, 1)[0] = 9;
    expect(a.view(0, 1)[0]).to.equal(7);
  });

  it('is given back at close', () => {
    const a = area(2 * page);
    const b = open.attach(a);
    a.pin();
    a.close();
    expect(b.pinStatus()).to.equal('unpinned');
    expectCode(() => a.pin(), 'ERR_REGION_CLOSED');
  });
});
