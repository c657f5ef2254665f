import { expect } from 'chai';
import type { SharedRegion } from '../../lib/index.ts';
import { pageSize as page } from '../helpers/page.ts';
import { type Peer, Remote } from '../helpers/region-processes.ts';
import { describeContract } from './backends.ts';

const pages = (offset: number, length: number) => ({ offset: offset * page, length: length * page });
const told = (offset: number, length: number) => ({ state: 'purged', lost: [pages(offset, length)] });
const kept = { state: 'kept', lost: [] };

describeContract(
  'what the kernel discards between processes',
  (backend) => {
    const discard = backend.provoke as () => void;
    let region: SharedRegion;
    const peers: Peer[] = [];
    const peer = <P extends Peer>(made: P) => {
      peers.push(made);
      return made;
    };
    beforeEach(() => {
      region = backend.create(8 * page, { busyTimeout: 1000 });
      new Uint8Array(region.buffer).fill(7);
    });
    afterEach(async () => {
      for (const made of peers.splice(0)) await made.killed();
      region.close();
    });

    it('is told to each of them once, and exactly', async () => {
      const others = [peer(new Remote(region)), peer(new Remote(region))];
      for (const other of others) expect(await other.ask('pinStatus')).to.equal('pinned');
      region.unpin(2 * page, 3 * page);
      discard();
      for (const other of others) expect(await other.ask('pin')).to.deep.equal(told(2, 3));
      const lost: object[] = [];
      expect(region.pin(0, undefined, lost as never)).to.equal('purged');
      expect(lost).to.deep.equal([pages(2, 3)]);
      for (const other of others) expect(await other.ask('pin')).to.deep.equal(kept);
      expect(region.pin()).to.equal('kept');
    });

    it('is nothing that one of them holds, whatever the others unpin', async () => {
      const [first, second] = [peer(new Remote(region)), peer(new Remote(region))];
      expect(await first.ask('pin', 0, 4 * page)).to.deep.equal(kept);
      expect(await second.ask('pin', 2 * page, 4 * page)).to.deep.equal(kept);
      region.unpin();
      discard();
      expect(await first.ask('look', 0, 4 * page)).to.deep.equal([7]);
      expect(await second.ask('look', 2 * page, 4 * page)).to.deep.equal([7]);
      expect(await first.ask('unpin', 0, 4 * page)).to.equal('done');
      discard();
      expect(await second.ask('look', 2 * page, 4 * page)).to.deep.equal([7]);
      expect(await first.ask('pin')).to.deep.equal({ state: 'purged', lost: [pages(0, 2), pages(6, 2)] });
      expect(await second.ask('unpin', 2 * page, 4 * page)).to.equal('done');
      discard();
      expect(await first.ask('look', 2 * page, 4 * page)).to.deep.equal([7]);
    });

    it('is nothing that somebody has pinned since, although another pins and unpins it all the time', async () => {
      const holder = peer(new Remote(region));
      expect(await holder.ask('pin', 0, page)).to.deep.equal(kept);
      region.unpin();
      for (let i = 0; i < 20; i++) {
        region.pin(0, 2 * page);
        region.unpin(0, 2 * page);
        if (i % 5 === 0) discard();
        expect(await holder.ask('look', 0, page)).to.deep.equal([7]);
      }
      expect(await holder.ask('unpin', 0, page)).to.equal('done');
      discard();
      expect(region.pin(0, page)).to.equal('purged');
    });

    it('is what a killed process held, after the next unpin', async () => {
      const holder = peer(new Remote(region));
      expect(await holder.ask('pin')).to.deep.equal(kept);
      region.unpin();
      await holder.killed();
      // From here on it may be taken, and it has to be told then; it must be to be had when somebody has met the dead one's pins.
      if (region.pin() === 'purged') new Uint8Array(region.buffer).fill(7);
      region.unpin();
      discard();
      expect(region.stats().purged).to.equal(8 * page);
      expect(region.pin()).to.equal('purged');
    });

    it('is what a killed process held, after an unpin that meets it beside its own', async () => {
      const holder = peer(new Remote(region));
      expect(await holder.ask('pin')).to.deep.equal(kept);
      await holder.killed();
      region.unpin();
      discard();
      expect(region.pin()).to.equal('purged');
    });

    it('is what a killed process held, after the next purge', async () => {
      const holder = peer(new Remote(region));
      expect(await holder.ask('pin')).to.deep.equal(kept);
      region.unpin();
      await holder.killed();
      expect(region.purge(0, 2 * page)).to.equal(2 * page);
      expect(region.purge(2 * page, 6 * page)).to.equal(6 * page);
      const lost: object[] = [];
      expect(region.pin(0, undefined, lost as never)).to.equal('purged');
      expect(lost).to.deep.equal([pages(0, 8)]);
    });

    it('is what a killed process held, after the next one has attached', async () => {
      const holder = peer(new Remote(region));
      expect(await holder.ask('pin')).to.deep.equal(kept);
      region.unpin();
      await holder.killed();
      expect(await peer(new Remote(region)).ask('look', 0, page)).to.deep.equal([7]);
      discard();
      expect(region.pin()).to.equal('purged');
    });

    it('is what the creator held until its object was closed, but for what others hold', async () => {
      const heir = peer(new Remote(region));
      expect(await heir.ask('pin', 0, page)).to.deep.equal(kept);
      region.close();
      discard();
      expect(await heir.ask('look', 0, page)).to.deep.equal([7]);
      expect(await heir.ask('pin')).to.deep.equal(told(1, 7));
    });

    it('is told again when who was to refill it was killed', async () => {
      const refiller = peer(new Remote(region));
      const heir = peer(new Remote(region));
      expect(await heir.ask('pinStatus')).to.equal('pinned');
      region.unpin();
      discard();
      expect(await refiller.ask('pin', 0, 4 * page)).to.deep.equal(told(0, 4));
      await refiller.killed();
      expect(await heir.ask('pin')).to.deep.equal(told(0, 8));
      expect(region.pin()).to.equal('purged');
      expect(await peer(new Remote(region)).ask('pin')).to.deep.equal(kept); // the heir is alive
    });

    it('is lost to a tryRead of any of them', async () => {
      const reader = peer(new Remote(region));
      region.unpin();
      expect(await reader.ask('tryRead', 0, page)).to.equal(7);
      discard();
      expect(await reader.ask('tryRead', 0, page)).to.equal(null);
      expect(region.pin()).to.equal('purged');
      region.view(0, page).fill(9);
      expect(await reader.ask('tryRead', 0, page)).to.equal(9);
      expect(await reader.ask('pin')).to.deep.equal(told(0, 8));
    });
  },
  'sharing',
  'a kernel that discards',
  'a discard on demand',
);
