import { fork } from 'node:child_process';
import { once } from 'node:events';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { JestChaiExpect, JestExtend, chai as vitestChai } from '@vitest/expect';
import { expect } from 'chai';
import Keyv from 'keyv';
import { VolatileCache } from '../../lib/index.ts';
import { KeyvVolatile } from '../../lib/keyv/keyv.ts';

// Keyv's suite is written for vitest, of which it uses it(), beforeEach(), afterEach() and expect().
vitestChai.use(JestChaiExpect);
vitestChai.use(JestExtend);
/** Runs one of its tests, which may say how many times it is going to expect something. */
async function counted(test: (tools: object) => unknown): Promise<void> {
  let count = 0;
  let wanted: number | undefined;
  const counting = Object.assign(
    (value: unknown) => {
      count++;
      return vitestChai.expect(value);
    },
    {
      assertions: (number: number) => {
        wanted = number;
      },
    },
  );
  await test({ expect: counting });
  if (wanted !== undefined) expect(count).to.equal(wanted);
}
const vitest = {
  it: (name: string, test: (tools: object) => unknown) => it(name, () => counted(test)),
  beforeEach: (test: (tools: object) => unknown) => beforeEach(() => counted(test)),
  afterEach: (test: (tools: object) => unknown) => afterEach(() => counted(test)),
} as never;

describe('a storage adapter for Keyv', () => {
  const cache = VolatileCache.create({ name: 'keyv', capacity: 2 ** 22 });
  after(() => cache.close());

  describe("passes Keyv's own suite", () => {
    keyvTestSuite(vitest, Keyv, () => new KeyvVolatile(cache));
    keyvIteratorTests(vitest, Keyv, () => new KeyvVolatile(cache));
  });

  it('another process sees the same values', async () => {
    const keyv = new Keyv({ store: new KeyvVolatile(cache) });
    await keyv.set('shared', { from: 'here' });
    const script = `
      import Keyv from 'keyv';
      import { VolatileCache } from './lib/index.ts';
      import { KeyvVolatile } from './lib/keyv/keyv.ts';
      const keyv = new Keyv({ store: new KeyvVolatile(VolatileCache.fromFd(4)) });
      process.send(await keyv.get('shared'));
      await keyv.set('shared', { from: 'there' });
      process.disconnect();`;
    const child = fork('-', [], {
      execArgv: ['--import', 'tsx', '--input-type=module', '-e', script],
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', cache.fd],
    });
    const [said] = await once(child, 'message');
    await once(child, 'exit');
    expect(said).to.deep.equal({ from: 'here' });
    expect(await keyv.get('shared')).to.deep.equal({ from: 'there' });
  });

  it('a purged value is missing, and nothing stays pinned', async () => {
    const keyv = new Keyv({ store: new KeyvVolatile(cache) });
    await keyv.set('gone', 'x'.repeat(10000));
    await keyv.get('gone');
    expect(cache.stats().pinned).to.equal(0);
    cache.purge();
    expect(await keyv.get('gone')).to.equal(undefined);
    await keyv.set('gone', 'again');
    expect(await keyv.get('gone')).to.equal('again');
  });

  it('clears its own namespace alone', async () => {
    const one = new Keyv({ store: new KeyvVolatile(cache), namespace: 'one' });
    const two = new Keyv({ store: new KeyvVolatile(cache), namespace: 'two' });
    await one.set('key', 1);
    await two.set('key', 2);
    await one.clear();
    expect([await one.get('key'), await two.get('key')]).to.deep.equal([undefined, 2]);
  });

  it('closes on disconnect what it made, and only that', async () => {
    const own = new KeyvVolatile({ capacity: 2 ** 20 });
    await own.disconnect();
    expect(own.cache.closed).to.equal(true);
    await new KeyvVolatile(cache).disconnect();
    expect(cache.closed).to.equal(false);
    expect(() => new KeyvVolatile(1 as never))
      .to.throw(TypeError)
      .with.property('code', 'ERR_INVALID_ARG_TYPE');
  });
});
