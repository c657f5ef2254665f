import { constants } from 'node:os';
import { expect } from 'chai';
import { listenForShrinkSignal, PressureMonitor, registerShrinker, SharedRegion } from '../../lib/index.ts';
import { native } from '../../lib/native.ts';
import { pressureOptions } from '../../lib/pressure/options.ts';
import { signalNumber } from '../../lib/pressure/shrink-signal.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { wrongTypes } from '../helpers/wrong-values.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;
type Row = [string, Any, string, (new (...args: never[]) => Error)?];

const nothing = () => 0;
const notNumbers = wrongTypes.filter((value) => typeof value !== 'number');

describe('arguments', () => {
  describe('of PressureMonitor.start', () => {
    const rows: Row[] = [
      ['options 1', 1, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['options null', null, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['sources a string', { sources: 'psi' }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['sources of numbers', { sources: [1] }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['no source', { sources: [] }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ['an unknown source', { sources: ['psi', 'cgroup'] }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ['watermarks 1', { watermarks: 1 }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ...notNumbers.map(
        (low): Row => [`low ${String(low)}`, { watermarks: { low } }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ),
      ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53].map(
        (critical): Row => [
          `critical ${critical}`,
          { watermarks: { critical } },
          'ERR_OUT_OF_RANGE',
          RangeError,
        ],
      ),
      ['medium above low', { watermarks: { low: 0.1, medium: 0.2 } }, 'ERR_OUT_OF_RANGE', RangeError],
      [
        'critical above medium',
        { watermarks: { medium: 4096, critical: 4097 } },
        'ERR_OUT_OF_RANGE',
        RangeError,
      ],
      ['critical above low', { watermarks: { low: 0.1, critical: 0.2 } }, 'ERR_OUT_OF_RANGE', RangeError],
    ];
    for (const [what, options, code, type] of rows) {
      it(`${what}: ${code}`, () => {
        expectCode(() => PressureMonitor.start(options), code, type);
      });
    }
    it('an error tells the values', () => {
      const error = expectCode(
        () => PressureMonitor.start({ watermarks: { low: 100, medium: 50, critical: 77 } }),
        'ERR_OUT_OF_RANGE',
      );
      expect(error.message).to.equal(
        'watermarks.critical must not be above watermarks.medium (50), received 77',
      );
    });
    it('only start() makes one', () => {
      expectCode(() => new (PressureMonitor as Any)(), 'ERR_INVALID_ARG_TYPE', TypeError);
    });
    it('what the addon is given', () => {
      const known = ['a', 'b', 'c'];
      expect(pressureOptions(undefined, known)).to.deep.equal({ sources: 7, low: 0, medium: 0, critical: 0 });
      expect(pressureOptions({ sources: ['c', 'a', 'c'] }, known).sources).to.equal(5);
      // A part and a number of bytes can be compared only with the limit at hand.
      expect(
        pressureOptions({ watermarks: { low: 0.5, medium: 1 << 20, critical: 0.5 } }, known),
      ).to.deep.equal({
        sources: 7,
        low: 0.5,
        medium: 1 << 20,
        critical: 0.5,
      });
    });
    it('every source of probe() is one', () => {
      for (const name of native.pressureSources) PressureMonitor.start({ sources: [name as Any] }).close();
    });
  });

  describe('of registerShrinker', () => {
    const good = { name: 'cache', count: nothing, scan: nothing };
    const rows: Row[] = [
      ['nothing', undefined, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['no name', { count: nothing, scan: nothing }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['a long name', { ...good, name: 'x'.repeat(201) }, 'ERR_OUT_OF_RANGE', RangeError],
      ['no count', { ...good, count: undefined }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['scan 1', { ...good, scan: 1 }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ...notNumbers.map(
        (cost): Row => [`cost ${String(cost)}`, { ...good, cost }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ),
      ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY].map(
        (cost): Row => [`cost ${cost}`, { ...good, cost }, 'ERR_OUT_OF_RANGE', RangeError],
      ),
      ['priority 1', { ...good, priority: 1 }, 'ERR_INVALID_ARG_TYPE', TypeError],
      ['priority high', { ...good, priority: 'high' }, 'ERR_INVALID_ARG_VALUE', TypeError],
      ['timeLimit 0', { ...good, timeLimit: 0 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['timeLimit 2^31', { ...good, timeLimit: 2 ** 31 }, 'ERR_OUT_OF_RANGE', RangeError],
      ['timeLimit a string', { ...good, timeLimit: '1' }, 'ERR_INVALID_ARG_TYPE', TypeError],
    ];
    for (const [what, options, code, type] of rows) {
      it(`${what}: ${code}`, () => {
        expectCode(() => registerShrinker(options), code, type);
      });
    }
  });

  describe('of listenForShrinkSignal', () => {
    for (const signal of wrongTypes.filter((value) => typeof value !== 'string')) {
      it(`${String(signal)}: ERR_INVALID_ARG_TYPE`, () => {
        expectCode(() => listenForShrinkSignal(signal as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
      });
    }
    const { sigrtMin, sigrtMax } = native;
    const refused = 'KILL STOP SEGV BUS FPE ILL SYS TRAP ABRT CHLD PIPE USR1 PROF VTALRM'
      .split(' ')
      .map((name) => `SIG${name}` as NodeJS.Signals);
    const wrong = [
      ...refused,
      ...refused.map((name) => constants.signals[name]),
      ...[
        '',
        'USR2',
        'SIGUSR3',
        'sigusr2',
        'toString',
        'SIGRTMIN-1',
        'SIGRTMAX+1',
        'SIGRTMAX-63',
        'SIGRTMIN+90',
        'SIGRTMIN+',
        'SIGRTMIN+1.5',
      ],
      ...[`SIGRTMIN+${sigrtMax - sigrtMin + 1}`, `SIGRTMAX-${sigrtMax - sigrtMin + 1}`],
      ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, sigrtMin - 1, sigrtMax + 1, 2 ** 40],
    ];
    for (const signal of wrong) {
      it(`${JSON.stringify(signal)}: ERR_INVALID_ARG_VALUE`, () => {
        expectCode(() => listenForShrinkSignal(signal as Any), 'ERR_INVALID_ARG_VALUE', TypeError);
      });
    }
    it('names and numbers', () => {
      const rows: [Any, number][] = [
        ['SIGUSR2', constants.signals.SIGUSR2],
        [constants.signals.SIGWINCH, constants.signals.SIGWINCH],
        ['SIGRTMIN', sigrtMin],
        ['SIGRTMIN+3', sigrtMin + 3],
        ['SIGRTMAX', sigrtMax],
        ['SIGRTMAX-1', sigrtMax - 1],
        [sigrtMin + 1, sigrtMin + 1],
      ];
      for (const [signal, number] of rows) expect(signalNumber(signal), String(signal)).to.equal(number);
    });
  });

  describe('of regions', () => {
    for (const reclaimer of [null, 0, 1, 'true']) {
      it(`reclaimer ${JSON.stringify(reclaimer)}: ERR_INVALID_ARG_TYPE`, () => {
        expectCode(
          () => SharedRegion.create({ size: 1, reclaimer } as Any),
          'ERR_INVALID_ARG_TYPE',
          TypeError,
        );
        expectCode(() => SharedRegion.fromFd(0, { reclaimer } as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
      });
    }
  });
});
