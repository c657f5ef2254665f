import { once } from 'node:events';
import { expect } from 'chai';
import { Shrinker, type ShrinkerOptions } from '../../lib/pressure/shrinker.ts';
import { ShrinkerRounds } from '../../lib/pressure/shrinkers.ts';
import { random } from '../helpers/random.ts';
import { turn } from '../helpers/turn.ts';
import { verdict } from '../helpers/verdict.ts';

const MiB = 1 << 20;

/** A cache that does as it is told, and says what it was told. */
function cache(bytes: number, options: Partial<ShrinkerOptions> = {}) {
  const asked: number[] = [];
  const made = {
    bytes,
    asked,
    shrinker: new Shrinker({
      name: 'cache',
      count: () => made.bytes,
      scan: (wanted: number) => {
        asked.push(wanted);
        made.bytes -= wanted;
        return wanted;
      },
      ...options,
    }),
  };
  return made;
}

function rounds(...caches: { shrinker: Shrinker }[]): ShrinkerRounds {
  const made = new ShrinkerRounds(verdict({ at: 0 }));
  for (const { shrinker } of caches) made.add(shrinker);
  return made;
}

/** A promise, and what settles it. */
function pending<T>() {
  let settle!: { resolve: (value: T) => void; reject: (error: unknown) => void };
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

/** The process warnings that come during `work`. */
async function warningsOf(work: () => unknown): Promise<(Error & { code?: string })[]> {
  const warnings: Error[] = [];
  const listener = (warning: Error) => warnings.push(warning);
  process.on('warning', listener);
  await work();
  await turn();
  process.off('warning', listener);
  return warnings;
}

describe('shrinkers', () => {
  it('are told how much to free, in proportion to what they count and cost', () => {
    const [small, large, dear] = [cache(MiB), cache(3 * MiB), cache(3 * MiB, { cost: 3 })];
    rounds(small, large, dear).round(verdict({ remaining: 5000 }));
    expect([small.asked, large.asked, dear.asked]).to.deep.equal([[1000], [3000], [1000]]);
    expect(large.shrinker.stats()).to.deep.equal({
      asked: 3000,
      scans: 1,
      freed: 3000,
      claimed: 3000,
      failures: 0,
      lies: 0,
      stalled: 0,
      busy: false,
    });
  });

  it('are never asked for more than they count, nor together for more than remains', () => {
    const below = random(7);
    for (let i = 0; i < 2000; i++) {
      const caches = Array.from({ length: 1 + below(5) }, () =>
        cache(below(10000), { cost: 1 + below(9), ...(below(2) ? { priority: 'normal' as const } : {}) }),
      );
      const counts = caches.map(({ bytes }) => bytes);
      const remaining = below(20000);
      rounds(...caches).round(verdict({ remaining }));
      const asked = caches.map((one) => one.asked.reduce((sum, bytes) => sum + bytes, 0));
      const total = asked.reduce((sum, bytes) => sum + bytes, 0);
      expect(total).to.equal(
        Math.min(
          remaining,
          counts.reduce((sum, bytes) => sum + bytes, 0),
        ),
      );
      for (const [j, bytes] of asked.entries()) expect(bytes).to.be.at.most(counts[j]!);
    }
  });

  it('are not asked where nothing remains, nor where they have nothing', () => {
    const [some, none] = [cache(MiB), cache(0)];
    const all = rounds(some, none);
    all.round(verdict({ level: 1 }));
    all.round(verdict({ wanted: MiB }));
    expect(some.asked).to.deep.equal([]);
    all.round(verdict({ remaining: 100 }));
    expect([some.asked, none.asked]).to.deep.equal([[100], []]);
  });

  it('come after the regions, and those with a priority beside them', () => {
    const [last, cheap, normal] = [
      cache(MiB),
      cache(MiB, { priority: 'cheap' }),
      cache(MiB, { priority: 'normal' }),
    ];
    const all = rounds(last, cheap, normal);
    all.round(verdict({ exhausted: 0, freedCheap: 500, wanted: 900 }));
    expect([cheap.asked, normal.asked, last.asked]).to.deep.equal([[], [], []]);
    all.round(verdict({ exhausted: 1, freedCheap: 500, freedNormal: 400, wanted: 500 }));
    expect([cheap.asked, normal.asked, last.asked]).to.deep.equal([[400], [], []]);
    all.round(
      verdict({ exhausted: 7, freedCheap: 500, freedNormal: 400, wanted: 500, remaining: 2 * MiB + 5 }),
    );
    // The cheap first, with all that it has left; then the next; the last for what is missing still.
    expect([cheap.asked, normal.asked, last.asked]).to.deep.equal([[400, MiB - 400], [MiB], [405]]);
  });

  it('are asked by a signal for what regions did not give, once', () => {
    const one = cache(MiB);
    const all = rounds(one);
    all.round(verdict({ source: 'signal', wanted: 300, remaining: 200, unmet: 200 }));
    all.round(verdict({ source: 'signal', unmet: 200 }));
    expect(one.asked).to.deep.equal([200]);
  });

  it('a verdict from before a scan has ended does not ask again', () => {
    const one = cache(MiB);
    const all = rounds(one);
    const early = verdict({ remaining: 100 });
    const late = verdict({ remaining: 100, at: early.at + 1 });
    all.round(early);
    all.round(late);
    expect(one.asked).to.deep.equal([100]);
    all.round(verdict({ remaining: 100 }));
    expect(one.asked).to.deep.equal([100, 100]);
  });

  it('a signal that comes during a scan is not lost', () => {
    const one = cache(MiB);
    const all = rounds(one);
    const first = verdict({ source: 'signal', unmet: 100 });
    all.round(first);
    all.round(verdict({ source: 'signal', unmet: 130, at: first.at + 1 }));
    expect(one.asked).to.deep.equal([100]);
    all.round(verdict({ source: 'signal', unmet: 130 }));
    expect(one.asked).to.deep.equal([100, 30]);
  });

  it('their methods are called as methods', () => {
    class Cache {
      name = 'class';
      bytes = MiB;
      count() {
        return this.bytes;
      }
      scan(bytes: number) {
        this.bytes -= bytes;
        return bytes;
      }
    }
    const shrinker = new Shrinker(new Cache());
    rounds({ shrinker }).round(verdict({ remaining: 100 }));
    expect(shrinker.stats()).to.include({ freed: 100, failures: 0 });
  });

  const misbehaved: [string, Partial<ShrinkerOptions>, object, RegExp][] = [
    [
      'an exception of scan()',
      {
        scan: () => {
          throw new Error('broken');
        },
      },
      { failures: 1, scans: 1 },
      /"bad": broken$/,
    ],
    [
      'an exception that is no error',
      {
        scan: () => {
          throw null;
        },
      },
      { failures: 1 },
      /"bad": null$/,
    ],
    ['NaN', { scan: () => Number.NaN }, { failures: 1, claimed: 0 }, /scan\(\) gave NaN/],
    ['a negative number', { scan: () => -1 }, { failures: 1, claimed: 0 }, /scan\(\) gave -1/],
    [
      'infinity',
      { scan: () => Number.POSITIVE_INFINITY },
      { failures: 1, claimed: 0 },
      /scan\(\) gave Infinity/,
    ],
    ['no number', { scan: () => '1' as never }, { failures: 1, claimed: 0 }, /scan\(\) gave "1"/],
    ['nothing', { scan: () => undefined as never }, { failures: 1, claimed: 0 }, /scan\(\) gave undefined/],
    [
      'a lie',
      { scan: (bytes) => bytes },
      { lies: 1, freed: 0, failures: 0 },
      /freed \d+ bytes, but count\(\) fell by 0$/,
    ],
    [
      'an exception of count()',
      {
        count: () => {
          throw new Error('lost');
        },
      },
      { failures: 1, scans: 0 },
      /"bad": lost$/,
    ],
    ['a count that is none', { count: () => Number.NaN }, { failures: 1, scans: 0 }, /count\(\) gave NaN/],
    [
      'a rejected promise',
      {
        scan: async () => {
          throw new Error('late');
        },
      },
      { failures: 1, busy: false },
      /"bad": late$/,
    ],
    ['a promise of no number', { scan: async () => null as never }, { failures: 1 }, /scan\(\) gave null/],
    ['a lie that comes late', { scan: async (bytes) => bytes }, { lies: 1 }, /fell by 0$/],
    [
      'a thenable that throws',
      {
        scan: () =>
          ({
            // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
            get then() {
              throw new Error('getter');
            },
          }) as never,
      },
      { failures: 1, busy: false },
      /"bad": getter$/,
    ],
  ];
  for (const [what, options, stats, message] of misbehaved) {
    it(`${what}: counted, warned of once, and nothing is kept from the others`, async () => {
      const bad = new Shrinker({ name: 'bad', count: () => MiB, scan: () => 0, ...options });
      const [before, after] = [cache(MiB), cache(MiB)];
      const all = rounds(before, { shrinker: bad }, after);
      const warnings = await warningsOf(async () => {
        for (let round = 1; round <= 3; round++) {
          all.round(verdict({ remaining: 300000 }));
          await turn();
        }
      });
      expect(warnings.map(({ name, code }) => [name, code])).to.deep.equal([
        ['AshmemWarning', 'ASHMEM_SHRINKER'],
      ]);
      expect(warnings[0]!.message).to.match(message);
      for (const { asked } of [before, after]) expect(asked.length).to.equal(3);
      const expected = Object.entries(stats).map(([key, value]) => [
        key,
        typeof value === 'number' ? value * 3 : value,
      ]);
      expect(bad.stats()).to.include(Object.fromEntries(expected));
      expect(bad.stats().busy).to.equal(false);
    });
  }

  it('a claim that is a little too high is none', async () => {
    const one = cache(MiB);
    const shrinker = new Shrinker({
      name: 'rounding',
      count: () => one.bytes,
      scan: (bytes: number) => {
        one.bytes -= bytes;
        return bytes + 4096;
      },
    });
    const warnings = await warningsOf(() => rounds({ shrinker }).round(verdict({ remaining: 1000 })));
    expect(warnings).to.deep.equal([]);
    expect(shrinker.stats()).to.include({ freed: 1000, claimed: 5096, lies: 0 });
  });

  it('one that is still at work is not asked again, and what it may still give not of others', async () => {
    const scan = pending<number>();
    const slow = cache(MiB, { scan: () => scan.promise, timeLimit: 1 << 30 });
    const quick = cache(MiB);
    const all = rounds(slow, quick);
    all.round(verdict({ remaining: 1000 }));
    expect(slow.shrinker.stats()).to.include({ asked: 500, scans: 1, busy: true });
    all.round(verdict({ remaining: 700 }));
    expect(slow.shrinker.stats().scans).to.equal(1);
    expect(quick.asked).to.deep.equal([500, 200]);
    slow.bytes -= 500;
    scan.resolve(500);
    await turn();
    expect(slow.shrinker.stats()).to.include({ busy: false, freed: 500, claimed: 500 });
    all.round(verdict({ remaining: 100 }));
    expect(slow.shrinker.stats().scans).to.equal(2);
  });

  it('one that never settles: stalled, warned of, the others go on; asked again once it has settled', async () => {
    const scan = pending<number>();
    const hung = cache(MiB, { name: 'hung', scan: () => scan.promise, timeLimit: 5 });
    const other = cache(MiB);
    const all = rounds(hung, other);
    const warned = once(process, 'warning');
    const alive = setInterval(() => {}, 1000); // the time limit keeps nothing alive
    all.round(verdict({ remaining: 1000 }));
    const [warning] = (await warned) as [Error & { code?: string }];
    clearInterval(alive);
    expect(warning.code).to.equal('ASHMEM_SHRINKER');
    expect(warning.message).to.match(/"hung": scan\(\) has not settled within 5 ms/);
    expect(hung.shrinker.stats()).to.include({ stalled: 1, busy: true, scans: 1 });
    // What it was asked for is asked of the others now.
    all.round(verdict({ remaining: 1000 }));
    expect(other.asked).to.deep.equal([500, 1000]);
    expect(hung.shrinker.stats().scans).to.equal(1);
    scan.resolve(0);
    await turn();
    expect(hung.shrinker.stats()).to.include({ stalled: 1, busy: false });
    all.round(verdict({ remaining: 1000 }));
    expect(hung.shrinker.stats().scans).to.equal(2);
  });

  it('one that unregisters another in its scan: that is not asked', () => {
    const second = cache(MiB);
    const first = cache(MiB, {
      scan: () => {
        all.delete(second.shrinker);
        return 0;
      },
    });
    const all = rounds(first, second);
    all.round(verdict({ remaining: 1000 }));
    expect(second.asked).to.deep.equal([]);
    expect(all.size).to.equal(1);
  });

  it('what was freed and asked for before they came is not theirs', () => {
    const one = cache(MiB, { priority: 'cheap' });
    const all = new ShrinkerRounds(verdict({ freedNormal: 5000, unmet: 5000 }));
    all.add(one.shrinker);
    all.round(verdict({ freedNormal: 5000, unmet: 5000, at: verdict().at + 1 }));
    expect(one.asked).to.deep.equal([]);
  });
});
