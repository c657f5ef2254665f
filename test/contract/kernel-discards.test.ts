import { randomFillSync } from 'node:crypto';
import { expect } from 'chai';
import type { ByteRange, SharedRegion } from '../../lib/index.ts';
import { OpenRegions } from '../helpers/open-regions.ts';
import { pageSize as page } from '../helpers/page.ts';
import { describeContract, where } from './backends.ts';

const pages = (offset: number, length: number): ByteRange => ({
  offset: offset * page,
  length: length * page,
});

function lostBy(region: SharedRegion): ByteRange[] {
  const lost: ByteRange[] = [];
  expect(region.pin(0, undefined, lost)).to.equal(lost.length === 0 ? 'kept' : 'purged');
  return lost;
}

function allAre(bytes: Uint8Array, value: number): boolean {
  return bytes.every((byte) => byte === value);
}

// Nobody calls purge() here: the kernel takes what is unpinned.
describeContract(
  'what the kernel discards',
  (backend) => {
    const discard = backend.provoke as () => void;
    const open = new OpenRegions();
    const region = (size: number, options: object = {}) => {
      const made = open.add(backend.create(size, options));
      new Uint8Array(made.buffer).fill(7);
      return made;
    };
    afterEach(() => open.close());

    it('is what was unpinned, and pin says where, once', () => {
      const a = region(32 * page + 5);
      a.unpin(3 * page, page);
      a.unpin(8 * page, 8 * page);
      a.unpin(31 * page, page + 5);
      discard();
      expect(lostBy(a)).to.deep.equal([pages(3, 1), pages(8, 8), { offset: 31 * page, length: page + 5 }]);
      expect(lostBy(a)).to.deep.equal([]);
      expect(allAre(a.view(0, 3 * page), 7)).to.equal(true);
      expect(allAre(a.view(4 * page, 4 * page), 7)).to.equal(true);
      expect(allAre(a.view(16 * page, 15 * page), 7)).to.equal(true);
      expect(allAre(a.view(3 * page, page), 0)).to.equal(true);
      expect(allAre(a.view(8 * page, 8 * page), 0)).to.equal(true);
      expect(allAre(a.view(31 * page, page + 5), 0)).to.equal(true);
    });

    it('is told in parts, to whoever pins parts', () => {
      const a = region(8 * page);
      a.unpin();
      discard();
      for (const unit of [5, 0, 7, 1, 2, 6, 4, 3]) {
        const lost: ByteRange[] = [];
        expect(a.pin(unit * page, page, lost), `unit ${unit}`).to.equal('purged');
        expect(lost).to.deep.equal([pages(unit, 1)]);
        expect(allAre(a.view(unit * page, page), 0)).to.equal(true);
        a.view(unit * page, page).fill(unit);
      }
      for (let unit = 0; unit < 8; unit++) expect(allAre(a.view(unit * page, page), unit)).to.equal(true);
      expect(lostBy(a)).to.deep.equal([]);
    });

    it('does not touch pinned units, which stay bit for bit what they are', () => {
      const a = region(256 * page);
      const bytes = new Uint8Array(a.buffer);
      randomFillSync(bytes);
      const copy = bytes.slice();
      for (let unit = 0; unit < 256; unit += 2) a.unpin(unit * page, page);
      for (let i = 0; i < 3; i++) discard();
      for (let unit = 1; unit < 256; unit += 2) {
        const [from, to] = [unit * page, (unit + 1) * page];
        expect(Buffer.compare(bytes.subarray(from, to), copy.subarray(from, to)), `unit ${unit}`).to.equal(0);
      }
      expect(lostBy(a).length).to.equal(128);
    });

    it('does not touch what is pinned twice and unpinned once', () => {
      const a = region(4 * page);
      expect(a.pin()).to.equal('kept');
      a.unpin();
      discard();
      expect(allAre(a.view(0, 4 * page), 7)).to.equal(true);
      a.unpin();
      discard();
      expect(lostBy(a)).to.deep.equal([pages(0, 4)]);
    });

    it('may be kept, if it is pinned again before that', () => {
      const a = region(4 * page);
      for (let i = 0; i < 3; i++) {
        a.unpin();
        expect(a.pin()).to.equal('kept');
        discard();
        expect(allAre(a.view(0, 4 * page), 7)).to.equal(true);
      }
      expect(a.pin()).to.equal('kept');
    });

    it('is told again each time', () => {
      const a = region(4 * page);
      for (let i = 1; i <= 5; i++) {
        a.unpin();
        discard();
        expect(lostBy(a), `time ${i}`).to.deep.equal([pages(0, 4)]);
        new Uint8Array(a.buffer).fill(i);
        a.unpin();
        expect(a.pin()).to.equal('kept');
        expect(allAre(a.view(0, 4 * page), i)).to.equal(true);
      }
    });

    it('is told again also when part of it was refilled', () => {
      const a = region(8 * page);
      a.unpin();
      discard();
      expect(a.pin(2 * page, 2 * page)).to.equal('purged');
      a.view(2 * page, 2 * page).fill(9);
      discard();
      expect(allAre(a.view(2 * page, 2 * page), 9)).to.equal(true);
      a.unpin(2 * page, 2 * page);
      expect(lostBy(a)).to.deep.equal([pages(0, 2), pages(4, 4)]);
      expect(allAre(a.view(2 * page, 2 * page), 9)).to.equal(true);
    });

    it('comes in units of the granularity', () => {
      const a = region(10 * page, { granularity: 4 * page });
      a.unpin(4 * page, 6 * page);
      expect(a.pin(4 * page, 4 * page)).to.equal('kept');
      discard();
      expect(lostBy(a)).to.deep.equal([pages(8, 2)]);
    });

    it('is lost to tryRead, which takes no notice away', () => {
      const a = region(4 * page);
      a.unpin();
      expect(a.tryRead(0, page, (bytes) => bytes[0])).to.equal(7);
      discard();
      let called = false;
      for (let i = 0; i < 2; i++) {
        expect(
          a.tryRead(page, page, () => {
            called = true;
          }),
        ).to.equal(undefined);
      }
      expect(called).to.equal(false);
      expect(lostBy(a)).to.deep.equal([pages(0, 4)]);
    });

    for (const [what, before, after] of [
      ['unpinned', true, false],
      ['pinned at first', false, false],
      ['refilled before it ends', true, true],
      ['pinned at first, and refilled before it ends', false, true],
    ] as const) {
      it(`is lost to the tryRead that looks at it: ${what}`, () => {
        const a = region(4 * page);
        if (before) a.unpin();
        const result = a.tryRead(0, 4 * page, (bytes) => {
          expect(allAre(bytes, 7)).to.equal(true);
          if (!before) a.unpin();
          discard();
          if (!after) return 'whole';
          expect(a.pin()).to.equal('purged');
          bytes.fill(7);
          a.unpin();
          return 'whole';
        });
        expect(result).to.equal(undefined);
        expect(lostBy(a)).to.deep.equal(after ? [] : [pages(0, 4)]);
      });
    }

    it('is whole to a tryRead if it was pinned all the while', () => {
      const a = region(4 * page);
      const result = a.tryRead(0, 4 * page, (bytes) => {
        discard();
        return allAre(bytes, 7);
      });
      expect(result).to.equal(true);
    });

    it('is counted as purged, and takes no memory', () => {
      const a = region(16 * page);
      a.unpin(0, 12 * page);
      discard();
      for (let i = 0; i < 2; i++) {
        expect(a.stats()).to.deep.equal({
          size: 16 * page,
          pinned: 4 * page,
          unpinned: 12 * page,
          purged: 12 * page,
          resident: (backend.givesBack ? 4 : 16) * page,
        });
      }
      expect(lostBy(a)).to.deep.equal([pages(0, 12)]);
    });

    it('is no news to purge', () => {
      const a = region(8 * page);
      a.unpin();
      discard();
      expect(a.purge()).to.equal(0);
      expect(lostBy(a)).to.deep.equal([pages(0, 8)]);
    });

    it('may have been purged before', () => {
      const a = region(8 * page);
      a.unpin();
      expect(a.purge(0, 4 * page)).to.equal(4 * page);
      discard();
      expect(lostBy(a)).to.deep.equal([pages(0, 8)]);
      expect(lostBy(a)).to.deep.equal([]);
    });

    it('is told to access, and is no more than that', () => {
      const a = region(4 * page);
      a.unpin();
      discard();
      a.access(0, page, (bytes, state) => {
        expect(state).to.equal('purged');
        bytes.fill(8);
        discard();
        expect(allAre(bytes, 8)).to.equal(true);
      });
      a.access(0, page, (bytes, state) => expect([state, bytes[0]]).to.deep.equal(['kept', 8]));
    });

    where(backend, 'sharing', () => {
      it('is told to every object that had it, and to late ones until somebody has pinned it', () => {
        const a = region(8 * page);
        const b = open.attach(a);
        a.unpin(2 * page, 4 * page);
        discard();
        expect(lostBy(b)).to.deep.equal([pages(2, 4)]);
        const late = open.attach(a);
        expect(lostBy(a)).to.deep.equal([pages(2, 4)]);
        expect(lostBy(late)).to.deep.equal([]);
        for (const each of [a, b, late]) expect(lostBy(each)).to.deep.equal([]);
      });

      it('is told to an object that attaches before anybody has pinned it', () => {
        const a = region(4 * page);
        a.unpin();
        discard();
        expect(lostBy(open.attach(a))).to.deep.equal([pages(0, 4)]);
      });

      it('is everything, once the creator has closed its object', () => {
        const a = region(4 * page);
        const b = open.attach(a);
        b.pin(page, page);
        a.close();
        discard();
        expect(allAre(b.view(page, page), 7)).to.equal(true);
        expect(lostBy(b)).to.deep.equal([pages(0, 1), pages(2, 2)]);
      });

      it('is nothing that another object of the process holds', () => {
        const a = region(4 * page);
        const b = open.attach(a);
        b.pin(0, 2 * page);
        a.unpin();
        discard();
        expect(allAre(a.view(0, 2 * page), 7)).to.equal(true);
        b.unpin(page, page);
        discard();
        expect(allAre(a.view(0, page), 7)).to.equal(true);
        expect(lostBy(a)).to.deep.equal([pages(1, 3)]);
      });

      it('is lost to those who may only read, and is theirs again when it was refilled', () => {
        const a = region(2 * page);
        const b = open.attach(a);
        a.protect('read');
        const reader = open.attach(a);
        expect(reader.readonly).to.equal(true);
        expect(reader.tryRead(0, page, (bytes) => bytes[0])).to.equal(7);
        a.unpin();
        discard();
        expect(reader.tryRead(0, page, () => 1)).to.equal(undefined);
        expect(lostBy(b)).to.deep.equal([pages(0, 2)]);
        b.view(0, page).fill(5);
        expect(reader.tryRead(0, page, (bytes) => bytes[0])).to.equal(5);
        discard();
        expect(reader.tryRead(0, page, (bytes) => bytes[0])).to.equal(5);
      });
    });
  },
  'a kernel that discards',
  'a discard on demand',
);
