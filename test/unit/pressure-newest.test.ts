import { expect } from 'chai';
import { Newest } from '../../lib/pressure/newest.ts';

function make() {
  let ends = 0;
  const newest = new Newest<number>(() => {
    ends += 1;
  });
  return { newest, ends: () => ends };
}

describe('the iterator over what is newest', () => {
  it('who waits is given what comes, in order', async () => {
    const { newest } = make();
    const results = [newest.next(), newest.next()];
    newest.push(1);
    newest.push(2);
    expect(await Promise.all(results)).to.deep.equal([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
  });
  it('who asks late is given the newest, once', async () => {
    const { newest } = make();
    for (const value of [1, 2, 3]) newest.push(value);
    expect(await newest.next()).to.deep.equal({ done: false, value: 3 });
    const waits = newest.next();
    newest.push(4);
    expect(await waits).to.deep.equal({ done: false, value: 4 });
  });
  it('end() ends who waits, drops what was not taken, and calls back once', async () => {
    const { newest, ends } = make();
    const waits = newest.next();
    newest.end();
    newest.end();
    newest.push(1);
    expect(await waits).to.deep.equal({ done: true, value: undefined });
    expect(await newest.next()).to.deep.equal({ done: true, value: undefined });
    expect(ends()).to.equal(1);
    const other = make();
    other.newest.push(1);
    other.newest.end();
    expect((await other.newest.next()).done).to.equal(true);
  });
  it('break, return() and an error in the loop end it', async () => {
    for (const leave of [
      () => true,
      () => {
        throw new Error('out');
      },
    ]) {
      const { newest, ends } = make();
      newest.push(1);
      try {
        for await (const value of newest) {
          expect(value).to.equal(1);
          if (leave()) break;
        }
      } catch (error) {
        expect((error as Error).message).to.equal('out');
      }
      expect(ends()).to.equal(1);
    }
    const { newest, ends } = make();
    const waits = newest.next();
    expect(await newest.return()).to.deep.equal({ done: true, value: undefined });
    expect((await waits).done).to.equal(true);
    expect(ends()).to.equal(1);
  });
});
