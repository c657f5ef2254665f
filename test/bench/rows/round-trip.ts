import { floor, rounds, script } from '../harness/processes.ts';
import { compared, type Row, skipped } from '../harness/results.ts';
import { usocket } from '../harness/usocket.ts';

const PAYLOAD = 64;

/** How many times as fast, as the bar is: the other's time by ours. */
const speed = (ours: number, theirs: number) => theirs / ours;

export const roundTrip: Row = {
  name: 'round-trip',
  async run({ short }) {
    const missing = await usocket(!short);
    const args = [PAYLOAD, short ? 1000 : 3000, short ? 3 : 7] as const;
    const series = await rounds(
      short ? 3 : 11,
      floor('round-trip', ...args),
      script('echo', ...args),
      ...(missing === undefined ? [script('usocket-echo', ...args)] : []),
    );
    const base = { what: 'blocking SEQPACKET', series: series.floor! };
    const what = 'fd round trip between two processes';
    const than = 'how many times as fast as usocket';
    return [
      compared(what, 'ns', series.ours!, base, { atMost: 10 }),
      series.usocket === undefined
        ? skipped(than, missing!)
        : compared(
            than,
            'ns',
            series.ours!,
            { what: 'usocket', series: series.usocket },
            { atLeast: 2 },
            speed,
          ),
    ];
  },
};
