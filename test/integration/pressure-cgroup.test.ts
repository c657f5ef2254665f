import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cgroupRefused, LimitedCgroup } from '../helpers/limited-cgroup.ts';

const MiB = 1 << 20;
const script = fileURLToPath(new URL('../helpers/cgroup-child.ts', import.meta.url));

describe('memory that is short in a limited cgroup', () => {
  let cgroup: LimitedCgroup;
  before(function () {
    const refusal = cgroupRefused();
    if (refusal === undefined) return;
    console.log(`      skipped: ${refusal}`);
    this.skip();
  });
  beforeEach(() => {
    cgroup = new LimitedCgroup(384 * MiB);
  });
  afterEach(() => cgroup?.end());

  /** What the scenario says; nobody may have been killed for it. */
  // biome-ignore lint/suspicious/noExplicitAny: each scenario says something else
  async function run(scenario: string): Promise<any> {
    const child = cgroup.spawn(process.execPath, ['--import', 'tsx', script, scenario]);
    let output = '';
    child.stdout!.on('data', (text) => {
      output += text;
    });
    const [code, signal] = await once(child, 'close');
    expect({ code, signal, oomKills: cgroup.oomKills() }).to.deep.equal({
      code: 0,
      signal: null,
      oomKills: 0,
    });
    return JSON.parse(output);
  }

  it('the level rises step by step and falls again, for listeners and iterators', async () => {
    const { before, states, iterated } = await run('levels');
    expect(before).to.equal('none');
    const levels = states.map(({ level }: { level: string }) => level);
    expect(levels.slice(0, 3)).to.deep.equal(['low', 'medium', 'critical']);
    expect(levels.at(-1)).to.equal('none');
    expect(iterated).to.deep.equal(levels);
    for (const { level, source, available, wanted } of states) {
      if (level === 'none') continue;
      expect(source).to.equal(`cgroup-v${cgroup.version}`);
      expect(available).to.be.at.most(cgroup.limit);
      if (level === 'low') expect(wanted).to.equal(0);
    }
    const [low, medium, critical] = states;
    expect(low.available).to.be.at.most(cgroup.limit * 0.5);
    expect(medium.available).to.be.at.most(cgroup.limit * 0.4);
    expect(critical.available).to.be.at.most(cgroup.limit * 0.3);
    expect(medium.wanted).to.be.greaterThan(0);
    expect(critical.wanted).to.be.greaterThan(medium.wanted);
  });

  it('the level is true while the event loop is blocked, and told when it runs again: the last one', async () => {
    expect(await run('blocked')).to.deep.equal({
      levels: ['none', 'low', 'medium', 'critical'],
      whileBlocked: [],
      told: ['critical'],
    });
  });

  it("what the reclaimer discards is told as 'pressure'; reclaimer: false keeps a region from it", async () => {
    const { reasons, heard, purged, withoutReclaimer } = await run('purged');
    expect(reasons).to.deep.equal(['pressure']);
    expect(purged).to.be.greaterThan(0);
    expect(heard).to.equal(purged);
    expect(withoutReclaimer).to.equal(0);
  });

  it('cheap regions go before normal ones, and those before precious ones', async () => {
    expect(await run('priorities')).to.deep.equal({ wrong: [] });
  });

  it('shrinkers are asked when the unpinned regions are gone, for what they then free', async () => {
    const { leftAtScan, small, large } = await run('shrinkers');
    expect(leftAtScan).to.satisfy((left: number[]) => left.every((bytes) => bytes === 0));
    for (const stats of [small, large]) {
      expect(stats.freed).to.be.greaterThan(0).and.to.equal(stats.claimed);
      expect(stats).to.include({ failures: 0, lies: 0, stalled: 0, busy: false });
    }
    expect(large.asked).to.be.greaterThan(small.asked);
  });

  it('a cheap shrinker is asked beside normal regions, and the others are not yet', async () => {
    const { leftAtScan, cheap, last } = await run('beside');
    expect(leftAtScan[0]).to.be.greaterThan(0);
    expect(cheap.freed).to.be.greaterThan(0);
    expect(last.asked).to.equal(0);
  });
});
