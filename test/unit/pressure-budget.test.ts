import { expect } from 'chai';
import { budget } from '../../lib/pressure/budget.ts';
import { verdict } from '../helpers/verdict.ts';

const before = verdict({ freedCheap: 10, freedNormal: 20, freedPrecious: 30, unmet: 40 });
const given = (change: object) => budget(before, verdict({ ...before, ...change }));

describe('the budget of shrinkers', () => {
  it('nothing, while the regions give enough', () => {
    expect(given({ exhausted: 0, wanted: 100 })).to.deep.equal({ cheap: 0, normal: 0, precious: 0, last: 0 });
  });
  it('what regions could not give, once all of them have nothing left', () => {
    const all = { cheap: 7, normal: 7, precious: 7, last: 7 };
    expect(given({ exhausted: 7, wanted: 100, remaining: 7 })).to.deep.equal(all);
  });
  it('the regions have had no time to give everything: nobody is asked', () => {
    expect(given({ exhausted: 0, remaining: 7 }).last).to.equal(0);
    expect(given({ exhausted: 3, remaining: 7 })).to.deep.equal({
      cheap: 7,
      normal: 7,
      precious: 0,
      last: 0,
    });
  });
  it('beside the regions: as much as dearer ones have been made to give', () => {
    expect(given({ exhausted: 1, freedNormal: 25 })).to.deep.equal({
      cheap: 5,
      normal: 0,
      precious: 0,
      last: 0,
    });
    expect(given({ exhausted: 3, freedNormal: 25, freedPrecious: 32 })).to.deep.equal({
      cheap: 7,
      normal: 2,
      precious: 0,
      last: 0,
    });
    expect(given({ exhausted: 1, freedCheap: 99 }).cheap).to.equal(0);
  });
  it('a priority whose turn comes after cheaper regions waits for those', () => {
    expect(given({ exhausted: 2, remaining: 7 })).to.deep.equal({
      cheap: 0,
      normal: 0,
      precious: 0,
      last: 0,
    });
  });
  it('of signals: what has come since the verdict before, and not again', () => {
    const signal = { source: 'signal', exhausted: 7, unmet: 45, wanted: 5, remaining: 5 };
    expect(given(signal).last).to.equal(5);
    expect(budget(verdict(signal), verdict(signal)).last).to.equal(0);
  });
  it('of a signal: also when there was no time to look at all regions', () => {
    const now = { source: 'signal', exhausted: 0, unmet: 45, remaining: 5, freedPrecious: 99 };
    expect(given(now)).to.deep.equal({ cheap: 5, normal: 5, precious: 5, last: 5 });
  });
  it('what is coming already is not asked of a limit again, and is no answer to a signal', () => {
    const now = verdict({ ...before, source: 'psi', remaining: 10, unmet: 45 });
    expect(budget(before, now, 4).last).to.equal(11);
    expect(budget(before, now, 99).last).to.equal(5);
  });
  it('of a signal and of a limit', () => {
    expect(given({ source: 'cgroup-v1', exhausted: 7, unmet: 45, remaining: 3 }).last).to.equal(8);
  });
  it('sums that fall ask for nothing', () => {
    expect(given({ exhausted: 1, freedNormal: 0, unmet: 0 }).cheap).to.equal(0);
  });
});
