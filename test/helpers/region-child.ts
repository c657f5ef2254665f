// A Node process that does one thing with the region in fd 3, for tests. Usage: region-child.ts COMMAND
//   hold: pin everything, say "ready", stay · answer: pin, add 1 to every byte of the first page, unpin, say what was there
//   attach: say "attached" or the error's code · obey: answer the requests below, a line of JSON each way, until stdin ends
import { createInterface } from 'node:readline';
import { type ByteRange, SharedRegion } from '../../lib/index.ts';

const requests = (region: SharedRegion) => ({
  pin: (offset?: number, length?: number) => {
    const lost: ByteRange[] = [];
    return { state: region.pin(offset, length, lost), lost };
  },
  unpin: (offset?: number, length?: number) => {
    region.unpin(offset, length);
    return 'done';
  },
  purge: (offset?: number, length?: number) => region.purge(offset, length),
  pinStatus: (offset?: number, length?: number) => region.pinStatus(offset, length),
  fill: (value: number, offset = 0, length = region.size - offset) => {
    region.view(offset, length).fill(value);
    return 'done';
  },
  /** The bytes that occur in the range. */
  look: (offset = 0, length = region.size - offset) => [...new Set(region.view(offset, length))],
  /** The first byte of the range by tryRead; null if that says undefined. */
  tryRead: (offset = 0, length = region.size - offset) =>
    region.tryRead(offset, length, (bytes) => bytes[0]!) ?? null,
});

export type Requests = ReturnType<typeof requests>;

function obey(region: SharedRegion): void {
  const known = requests(region) as Record<string, (...args: unknown[]) => unknown>;
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    const [name, ...args] = JSON.parse(line) as [string, ...unknown[]];
    let answer: unknown;
    try {
      answer = known[name]!(...args.map((arg) => arg ?? undefined));
    } catch (error) {
      answer = (error as { code?: string }).code ?? String(error);
    }
    console.log(JSON.stringify(answer));
  });
}

try {
  const command = process.argv[2];
  const region = SharedRegion.fromFd(3);
  if (command === 'hold') {
    region.pin();
    console.log('ready');
    setInterval(() => region.size, 1000);
  } else if (command === 'answer') {
    const state = region.pin();
    const bytes = region.view(0, region.granularity);
    console.log(`${state} ${bytes[0]}`);
    for (let i = 0; i < bytes.length; i++) bytes[i]! += 1;
    region.unpin();
  } else if (command === 'obey') {
    obey(region);
  } else {
    console.log('attached');
    setInterval(() => region.size, 1000);
  }
} catch (error) {
  console.log((error as { code?: string }).code ?? String(error));
}
