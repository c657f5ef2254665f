import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { type PressureLevel, PressureMonitor, type PressureState, probe } from '../../lib/index.ts';
import { native } from '../../lib/native.ts';
import { alwaysShort } from '../helpers/always-short.ts';
import { turn } from '../helpers/turn.ts';

const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe('a pressure monitor', () => {
  const open: PressureMonitor[] = [];
  const start = (options = alwaysShort) => {
    const monitor = PressureMonitor.start(options).ref();
    open.push(monitor);
    return monitor;
  };
  afterEach(() => {
    for (const monitor of open.splice(0)) monitor.close();
  });

  it('tells of a level that is there already, once, and of the state again and again', async () => {
    const monitor = start();
    const levels: [PressureLevel, PressureState][] = [];
    const states: PressureState[] = [];
    monitor.on('level', (level, state) => levels.push([level, state]));
    monitor.on('pressure', (state) => states.push(state));
    while (states.length < 5) await turn();
    expect(levels.length).to.equal(1);
    const [level, state] = levels[0]!;
    expect(level).to.equal('critical');
    expect(states[0]).to.equal(state);
    for (const each of states) {
      expect(each).to.include({ level: 'critical', source: 'meminfo' });
      expect(each.available).to.be.greaterThan(0);
      expect(each.wanted).to.be.greaterThan(0);
    }
  });

  it('says the level at once, before any event', () => {
    const monitor = start();
    let told = 0;
    monitor.on('level', () => {
      told += 1;
    });
    expect(monitor.level).to.equal('critical');
    expect(told).to.equal(0);
  });

  it('tells a busy event loop what is newest, and leaves others their turn', async () => {
    const monitor = start();
    const looks: number[] = [];
    let turns = 0;
    monitor.on('pressure', () => {
      looks.push(native.watcherStats().wakeups);
      // To ask is to have it look; it tells of one look in 10 ms.
      for (let i = 0; i < 5; i++) {
        sleep(12);
        expect(monitor.level).to.equal('critical');
      }
    });
    for (; looks.length < 6; turns++) await turn();
    monitor.close();
    for (let i = 0; i < 3; i++) await turn();
    expect(looks.length).to.equal(6);
    expect(turns).to.be.at.least(6);
    // All but one of five were overtaken.
    expect(looks[5]! - looks[0]!).to.be.at.least(25);
  });

  it('has a level of none and an unknown availability where no source counts bytes', () => {
    const monitor = start({ sources: ['major-faults'] });
    expect(monitor.level).to.equal('none');
  });

  it('tells by its own watermarks and sources, beside others, all on one thread', async () => {
    const threads = () => readdirSync('/proc/self/task').length;
    const first = start();
    expect(first.level).to.equal('critical');
    const before = threads();
    const low = start({ sources: ['meminfo'], watermarks: { low: 0.99999, medium: 1e-6, critical: 1e-7 } });
    const none = start({ sources: ['meminfo'], watermarks: { low: 1e-6, medium: 1e-6, critical: 1 } });
    const other = start({ sources: ['ashmem'], watermarks: alwaysShort.watermarks! });
    const [level, state] = await once(low, 'level');
    expect([level, state.wanted]).to.deep.equal(['low', 0]);
    expect([first.level, low.level, none.level, other.level]).to.deep.equal([
      'critical',
      'low',
      'none',
      'none',
    ]);
    expect(threads()).to.equal(before);
  });

  it('close(): no event comes any more, its level is what it was, and it may be closed again', async () => {
    const monitor = start();
    let told = 0;
    monitor.on('level', () => monitor.close());
    monitor.on('pressure', () => {
      told += 1;
    });
    await once(monitor, 'level');
    expect(monitor.closed).to.equal(true);
    monitor.close();
    const other = start();
    for (let i = 0; i < 3; i++) await once(other, 'pressure');
    expect(told).to.equal(0);
    expect(monitor.level).to.equal('critical');
    expect(monitor.ref().unref().ref()).to.equal(monitor);
  });

  it('is closed by its scope', () => {
    let kept: PressureMonitor;
    {
      using monitor = PressureMonitor.start();
      kept = monitor;
      expect(kept.closed).to.equal(false);
    }
    expect(kept.closed).to.equal(true);
  });

  describe('as an iterator', () => {
    it('begins with the present state, and gives the next ones', async () => {
      const monitor = start();
      const iterator = monitor[Symbol.asyncIterator]();
      let told = 0;
      monitor.once('pressure', () => {
        told += 1;
      });
      const { value } = await iterator.next();
      expect(value).to.include({ level: 'critical', source: 'meminfo' });
      expect(told).to.equal(0);
      let states = 0;
      for await (const state of iterator) {
        expect(state).to.have.all.keys('level', 'source', 'available', 'wanted');
        if (++states === 5) break;
      }
      expect((await iterator.next()).done).to.equal(true);
      // Another one has the monitor to itself still.
      for await (const state of monitor) {
        expect(state.level).to.equal('critical');
        break;
      }
    });

    it('waits while the level is none, and ends with close()', async () => {
      const monitor = start({ sources: ['major-faults'] });
      const waits = monitor[Symbol.asyncIterator]().next();
      let settled = false;
      void waits.then(() => {
        settled = true;
      });
      const other = start();
      for (let i = 0; i < 3; i++) await once(other, 'pressure');
      expect(settled).to.equal(false);
      monitor.close();
      expect((await waits).done).to.equal(true);
      for await (const _ of monitor) expect.fail('a closed monitor has nothing to say');
    });
  });

  it('probe() tells which sources work, and why, the same each time', () => {
    const { pressure } = probe();
    expect(pressure.map(({ name }) => name)).to.deep.equal([
      'cgroup-v2',
      'cgroup-v1',
      'psi',
      'meminfo',
      'major-faults',
      'ashmem',
      'service-manager',
    ]);
    for (const { available, reason } of pressure) {
      expect(available).to.be.a('boolean');
      expect(reason).to.be.a('string').and.not.equal('');
    }
    expect(pressure.find(({ name }) => name === 'meminfo')!.available).to.equal(true);
    expect(probe().pressure).to.deep.equal(pressure);
  });
});
