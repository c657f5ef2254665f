import { expect } from 'chai';
import type { SharedRegion } from '../../lib/index.ts';
import { pressureRefused, takeMemoryUntil } from '../helpers/memory-pressure.ts';
import { pageSize as page } from '../helpers/page.ts';
import { type Peer, Remote } from '../helpers/region-processes.ts';
import { describeContract } from './backends.ts';

const units = 2048;
/** Every fourth unit is held throughout, by the one or the other. */
const holderOf = (unit: number): 0 | 1 | undefined => (unit % 4 !== 0 ? undefined : unit % 8 === 0 ? 0 : 1);

// A process takes memory until the kernel discards, for its own reasons; nobody asks it to.
describeContract(
  'when memory is short',
  (backend) => {
    const refusal = pressureRefused();
    if (refusal) {
      it(`skipped: ${refusal}`);
      return;
    }
    let region: SharedRegion;
    const peers: Peer[] = [];
    const peer = () => {
      const made = new Remote(region);
      peers.push(made);
      return made;
    };
    beforeEach(() => {
      region = backend.create(units * page, { name: 'pressure' });
    });
    afterEach(async () => {
      for (const made of peers.splice(0)) await made.killed();
      region.close();
    });

    it('nothing that is pinned is lost, and each process is told of all the rest', async () => {
      const [first, second, idle] = [peer(), peer(), peer()];
      const holders = [first, second] as const;
      for (let unit = 0; unit < units; unit++) region.view(unit * page, page).fill((unit % 251) + 1);
      for (let unit = 0; unit < units; unit++) {
        const by = holderOf(unit);
        if (by === undefined) continue;
        expect((await holders[by].ask('pin', unit * page, page)).state).to.equal('kept');
      }
      expect(await idle.ask('pinStatus')).to.equal('pinned');
      region.unpin();

      const taken = await takeMemoryUntil(() => region.stats().purged > 0);
      const { purged } = region.stats();
      console.log(
        `        ${purged / page} of ${units} units were discarded when ${taken} MiB had been taken`,
      );
      expect(purged).to.be.greaterThan(0);

      // What the file says now is what all of them must be told: from here on everything is held.
      const lost: { offset: number; length: number }[] = [];
      expect(region.pin(0, undefined, lost)).to.equal('purged');
      const gone = new Set<number>();
      for (const { offset, length } of lost) {
        for (let at = offset; at < offset + length; at += page) gone.add(at / page);
      }
      for (let unit = 0; unit < units; unit++) {
        const values = [...new Set(region.view(unit * page, page))];
        expect(values, `unit ${unit}`).to.deep.equal([gone.has(unit) ? 0 : (unit % 251) + 1]);
        if (holderOf(unit) !== undefined) expect(gone.has(unit), `held unit ${unit}`).to.equal(false);
      }
      expect(gone.size * page).to.be.at.least(purged);
      for (const each of [first, second, idle]) {
        expect(await each.ask('pin')).to.deep.equal({ state: 'purged', lost });
        expect(await each.ask('pin')).to.deep.equal({ state: 'kept', lost: [] });
      }
    });

    it('a region is refilled and lost again, time after time, and never in silence', async () => {
      const other = peer();
      expect(await other.ask('pinStatus')).to.equal('pinned');
      for (let round = 1; round <= 3; round++) {
        new Uint8Array(region.buffer).fill(round);
        region.unpin();
        await takeMemoryUntil(() => region.stats().purged > 0);
        const answer = await other.ask('pin');
        expect(answer.state).to.equal('purged');
        const lost: object[] = [];
        expect(region.pin(0, undefined, lost as never)).to.equal('purged');
        expect(lost).to.deep.equal(answer.lost);
        const bytes = answer.lost.reduce((sum, { length }) => sum + length, 0);
        const zeros = new Uint8Array(region.buffer).reduce((sum, byte) => sum + (byte === 0 ? 1 : 0), 0);
        expect(zeros).to.equal(bytes);
        expect(await other.ask('unpin')).to.equal('done');
      }
    });
  },
  'sharing',
  'a kernel that discards',
);
