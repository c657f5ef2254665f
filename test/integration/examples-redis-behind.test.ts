import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { runProgram } from '../helpers/run-program.ts';

describe('the example redis-behind', () => {
  it('finds in Redis what memory pressure has taken', async function () {
    if (spawnSync('redis-server', ['--version']).error) {
      console.log('      skipped: no redis-server here');
      return this.skip();
    }
    const { code, output, errors } = await runProgram('examples/redis-behind/main.ts', []).done;
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(output.trimEnd().split('\n')).to.deep.equal([
      'one, from its own memory: { pages: 12 }',
      'two, from Redis: { pages: 12 }',
      'two, entries in its own memory now: 1',
      'one, discarded: true',
      'one, from Redis again: { pages: 12 }',
    ]);
  });
});
