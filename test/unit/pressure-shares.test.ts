import { expect } from 'chai';
import { type Giver, isLie, shares } from '../../lib/pressure/shares.ts';
import { random } from '../helpers/random.ts';

const of = (...counts: number[]): Giver[] => counts.map((count) => ({ count, cost: 1 }));
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

describe('shares', () => {
  const rows: [string, Giver[], number, number[]][] = [
    ['nobody', [], 100, []],
    ['nothing wanted', of(10, 20), 0, [0, 0]],
    ['in proportion to what they count', of(1000, 3000), 400, [100, 300]],
    [
      'in proportion to what they cost',
      [
        { count: 1000, cost: 1 },
        { count: 1000, cost: 3 },
      ],
      400,
      [300, 100],
    ],
    ['all of it, if that is not enough', of(10, 20), 100, [10, 20]],
    ['all of it, if that is just enough', of(10, 20), 30, [10, 20]],
    ['nothing of one that has nothing', of(0, 20), 10, [0, 10]],
    [
      'what a cap leaves over goes to the others',
      [
        { count: 100, cost: 0.01 },
        { count: 1000, cost: 1 },
        { count: 3000, cost: 1 },
      ],
      900,
      [100, 200, 600],
    ],
    ['every byte, where parts are not whole', of(10, 10, 10), 10, [4, 3, 3]],
    ['a part of a byte is none', of(10), 0.5, [0]],
    [
      'costs of any size',
      [
        { count: 1, cost: 5e-324 },
        { count: 2 ** 53 - 1, cost: 1.7e308 },
      ],
      2,
      [1, 1],
    ],
  ];
  for (const [what, givers, wanted, expected] of rows) {
    it(what, () => expect(shares(givers, wanted)).to.deep.equal(expected));
  }

  it('of 20000 random caches: the sum is exact, no cap is passed, and who has the same is asked the same', () => {
    const below = random(20);
    const size = () => (below(2) === 0 ? below(20) : Math.floor(2 ** (below(5300) / 100)));
    for (let round = 0; round < 20000; round++) {
      const givers = Array.from({ length: below(8) }, () => ({
        count: size(),
        cost: 2 ** (below(2000) / 100 - 10),
      }));
      if (givers[0] && givers[1]) givers[1] = givers[0];
      const wanted = size();
      const all = sum(givers.map(({ count }) => count));
      const asked = shares(givers, wanted);
      const context = JSON.stringify({ givers, wanted, asked });
      expect(asked.length, context).to.equal(givers.length);
      // Sums of counts beyond 2^53 are not exact themselves.
      if (all <= Number.MAX_SAFE_INTEGER) expect(sum(asked), context).to.equal(Math.min(wanted, all));
      else expect(sum(asked), context).to.be.at.most(wanted);
      for (const [i, bytes] of asked.entries()) {
        expect(Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= givers[i]!.count, context).to.equal(
          true,
        );
      }
      if (asked.length >= 2) {
        expect(Math.abs(asked[0]! - asked[1]!), context).to.be.at.most(8 + wanted * 2 ** -50);
      }
    }
  });

  it('of 5000 random pairs that are not capped: the ratio is that of count / cost', () => {
    const below = random(21);
    for (let round = 0; round < 5000; round++) {
      const givers = [0, 1].map(() => ({ count: 2 ** 30 + below(2 ** 30), cost: 1 + below(4) }));
      const wanted = 2 ** 20 + below(2 ** 20);
      const [first, second] = shares(givers, wanted) as [number, number];
      const [a, b] = givers.map(({ count, cost }) => count / cost) as [number, number];
      expect(Math.abs(first - (wanted * a) / (a + b)), JSON.stringify({ givers, wanted })).to.be.at.most(2);
      expect(first + second).to.equal(wanted);
    }
  });
});

describe('isLie', () => {
  const rows: [number, number, boolean][] = [
    [0, 0, false],
    [1 << 20, 1 << 20, false],
    [4096, 0, false],
    [4097, 0, true],
    [800, 8 << 20, false],
    [8 << 20, 7 << 20, false],
    [8 << 20, (7 << 20) - 1, true],
  ];
  for (const [claimed, measured, lie] of rows) {
    it(`${claimed} claimed, ${measured} measured: ${lie ? 'a lie' : 'true enough'}`, () => {
      expect(isLie(claimed, measured)).to.equal(lie);
    });
  }
});
