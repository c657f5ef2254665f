import { expect } from 'chai';
import { type PurgeEvent, SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { Remote } from '../helpers/region-processes.ts';
import { turn } from '../helpers/turn.ts';
import { describeContract, where } from './backends.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what some of these tests are about
type Any = any;

describeContract("the event 'purge'", (backend) => {
  const units = 8;
  let region: SharedRegion;
  beforeEach(() => {
    region = backend.create(units * page, { name: 'events', reclaimer: false });
    new Uint8Array(region.buffer).fill(1);
    region.unpin();
  });
  afterEach(() => region.close());

  /** The events of a region, and a wait for the bytes of a reason to come to a sum. */
  function hear(of: SharedRegion) {
    const events: PurgeEvent[] = [];
    const listener = (event: PurgeEvent) => events.push(event);
    of.on('purge', listener);
    const sum = (reason: string) =>
      events.filter((event) => event.reason === reason).reduce((bytes, event) => bytes + event.bytes, 0);
    const comesTo = async (bytes: number, reason: string) => {
      while (sum(reason) < bytes) await turn();
      expect(sum(reason)).to.equal(bytes);
    };
    return { events, listener, comesTo };
  }

  it('purge(): tells how much and why, but not of what was before the listener', async () => {
    expect(region.purge(0, page)).to.equal(page);
    const { events, comesTo } = hear(region);
    expect(region.purge(page, 2 * page)).to.equal(2 * page);
    await comesTo(2 * page, 'request');
    expect(region.purge(3 * page, page)).to.equal(page);
    await comesTo(3 * page, 'request');
    expect(events.every(({ reason }) => reason === 'request')).to.equal(true);
  });

  it('once(), off() and several listeners', async () => {
    const all = hear(region);
    const [first, second]: PurgeEvent[][] = [[], []];
    const off = (event: PurgeEvent) => first!.push(event);
    expect(region.on('purge', off).off('purge', off).off('purge', off)).to.equal(region);
    expect(region.once('purge', (event) => second!.push(event))).to.equal(region);
    region.purge(0, page);
    await all.comesTo(page, 'request');
    region.purge(page, page);
    await all.comesTo(2 * page, 'request');
    expect([first!.length, second!.length]).to.deep.equal([0, 1]);
  });

  it('who comes back hears nothing of what happened meanwhile', async () => {
    const first = hear(region);
    region.purge(0, page);
    await first.comesTo(page, 'request');
    region.off('purge', first.listener);
    region.purge(page, page);
    const again = hear(region);
    region.purge(2 * page, page);
    await again.comesTo(page, 'request');
    expect(again.events.length).to.equal(1);
    expect(first.events.length).to.equal(1);
  });

  it('close() in a listener, and afterwards: no event, ERR_REGION_CLOSED', async () => {
    const other = backend.create(page, { reclaimer: false });
    other.unpin();
    const { comesTo } = hear(other);
    let told = 0;
    const count = () => {
      told += 1;
      region.close();
    };
    region.on('purge', count);
    region.on('purge', () => {
      told += 1;
    });
    region.purge(0, page);
    while (told < 2) await turn();
    other.purge();
    await comesTo(page, 'request');
    expect(told).to.equal(2);
    expect(region.off('purge', count)).to.equal(region);
    expectCode(() => region.on('purge', count), 'ERR_REGION_CLOSED');
    expectCode(() => region.once('purge', count), 'ERR_REGION_CLOSED');
    other.close();
  });

  for (const method of ['on', 'once', 'off'] as const) {
    it(`${method}(): wrong arguments`, () => {
      const call = (...args: Any[]) => (region[method] as Any)(...args);
      expectCode(() => call('purge', 1), 'ERR_INVALID_ARG_TYPE', TypeError);
      expectCode(() => call('purge'), 'ERR_INVALID_ARG_TYPE', TypeError);
      expectCode(() => call(1, () => {}), 'ERR_INVALID_ARG_TYPE', TypeError);
      expectCode(() => call('close', () => {}), 'ERR_INVALID_ARG_VALUE', TypeError);
    });
  }

  it('a region with listeners is collected like any other', async () => {
    let collected = 0;
    const registry = new FinalizationRegistry<void>(() => {
      collected += 1;
    });
    const make = () => {
      const made = backend.create(page, { reclaimer: false });
      made.on('purge', () => made.size);
      made.unpin();
      made.purge();
      registry.register(made, undefined);
    };
    for (let i = 0; i < 20; i++) make();
    while (collected < 18) {
      global.gc!();
      await turn();
    }
  });

  where(backend, 'sharing', () => {
    it('every object of the process is told, and other processes that it was a peer', async () => {
      const other = SharedRegion.fromFd(region.fd, { reclaimer: false });
      const here = [hear(region), hear(other)];
      const peer = new Remote(region);
      await peer.ask('pinStatus');
      expect(await peer.ask('purge', 0, page)).to.equal(page);
      for (const { comesTo } of here) await comesTo(page, 'peer');
      region.purge(page, 2 * page);
      for (const { comesTo } of here) await comesTo(2 * page, 'request');
      for (const { events } of here)
        expect(events.map(({ reason }) => reason)).to.deep.equal(['peer', 'request']);
      await peer.killed();
      other.close();
    });

    it('a read-only region: ERR_READ_ONLY', () => {
      region.protect('read');
      const reader = SharedRegion.fromFd(region.fd);
      expectCode(() => reader.on('purge', () => {}), 'ERR_READ_ONLY');
      reader.close();
    });
  });

  where(backend, 'a discard on demand', () => {
    it('the kernel: once a pin has found it', async () => {
      const { comesTo } = hear(region);
      (backend.provoke as () => void)();
      expect(region.pin()).to.equal('purged');
      await comesTo(units * page, 'kernel');
    });
  });
});

describeContract('the priority of a region', (backend) => {
  let region: SharedRegion;
  beforeEach(() => {
    region = backend.create(page);
  });
  afterEach(() => region.close());

  it('wrong ones, and after close()', () => {
    const set = (priority: Any) => () => {
      region.priority = priority;
    };
    for (const priority of [1, null, undefined, {}])
      expectCode(set(priority), 'ERR_INVALID_ARG_TYPE', TypeError);
    for (const priority of ['', 'high', 'toString'])
      expectCode(set(priority), 'ERR_INVALID_ARG_VALUE', TypeError);
    expect(region.priority).to.equal('normal');
    region.close();
    expectCode(() => region.priority, 'ERR_REGION_CLOSED');
    expectCode(set('cheap'), 'ERR_REGION_CLOSED');
  });

  where(backend, 'sharing', () => {
    it('is normal at first, and what the last process has made it', async () => {
      const other = SharedRegion.fromFd(region.fd);
      expect([region.priority, other.priority]).to.deep.equal(['normal', 'normal']);
      for (const priority of ['cheap', 'precious', 'normal'] as const) {
        region.priority = priority;
        expect([region.priority, other.priority]).to.deep.equal([priority, priority]);
      }
      other.close();
    });

    it('a reader sees it, and cannot set it: ERR_READ_ONLY', () => {
      region.priority = 'precious';
      region.protect('read');
      const reader = SharedRegion.fromFd(region.fd);
      expect(reader.priority).to.equal('precious');
      expectCode(() => {
        reader.priority = 'cheap';
      }, 'ERR_READ_ONLY');
      expect(region.priority).to.equal('precious');
      reader.close();
    });
  });
});
