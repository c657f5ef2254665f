import { expect } from 'chai';
import type { SharedRegion } from '../../lib/index.ts';
import { pageSize as page } from '../helpers/page.ts';
import { turn } from '../helpers/turn.ts';
import { describeContract } from './backends.ts';

describeContract('access', (backend) => {
  let region: SharedRegion;
  beforeEach(() => {
    region = backend.create(4 * page);
    region.unpin();
  });
  afterEach(() => region.close());

  it('holds the range while fn runs, and gives its result', () => {
    const result = region.access(page, 2 * page, (bytes, state) => {
      expect(region.pinStatus(page, 2 * page)).to.equal('pinned');
      expect(bytes.length).to.equal(2 * page);
      bytes[0] = 3;
      return `${state}!`;
    });
    expect(result).to.equal('kept!');
    expect(region.tryRead(page, page, (bytes) => bytes[0])).to.equal(3);
    expect(region.pinStatus()).to.equal('unpinned');
    region.purge();
    region.access(0, page, (_bytes, state) => expect(state).to.equal('purged'));
  });

  it('lets go when fn throws', () => {
    expect(() =>
      region.access(0, page, () => {
        throw new Error('mine');
      }),
    ).to.throw('mine');
    expect(region.pinStatus(0, page)).to.equal('unpinned');
  });

  for (const [how, settle] of [
    ['is fulfilled', (resolve: () => void) => resolve()],
    ['is rejected', (_: () => void, reject: (e: Error) => void) => reject(new Error('mine'))],
  ] as const) {
    it(`holds on until a returned promise ${how}`, async () => {
      let finish: [() => void, (e: Error) => void];
      const work = region.access(
        0,
        page,
        () =>
          new Promise<void>((...both) => {
            finish = both;
          }),
      );
      await turn();
      expect(region.pinStatus(0, page)).to.equal('pinned');
      settle(...finish!);
      await work.catch((error) => expect(error.message).to.equal('mine'));
      expect(region.pinStatus(0, page)).to.equal('unpinned');
    });
  }

  it('lets go whatever fn returns or throws', () => {
    const trap = {
      // biome-ignore lint/suspicious/noThenProperty: an object that throws when it is asked whether it is a promise
      get then() {
        throw new Error('mine');
      },
    };
    expect(() => region.access(0, page, () => trap)).to.throw('mine');
    expect(region.pinStatus(0, page)).to.equal('unpinned');
    expect(() =>
      region.access(0, page, () => {
        region.unpin(0, page);
        throw new Error('mine');
      }),
    ).to.throw('mine');
  });

  it('does not mind a close meanwhile', async () => {
    region.access(0, page, () => region.close());
    const other = backend.create(page);
    const work = other.access(0, page, async () => {
      await turn();
      return 5;
    });
    other.close();
    expect(await work).to.equal(5);
  });
});
