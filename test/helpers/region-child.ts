// A Node process that does one thing with the region in fd 3, for tests. Usage: region-child.ts COMMAND
//   hold: pin everything, say "ready", stay · answer: pin, add 1 to every byte of the first page, unpin, say what was there
//   attach: say "attached" or the error's code
import { SharedRegion } from '../../lib/index.ts';

const command = process.argv[2];
try {
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
  } else {
    console.log('attached');
    setInterval(() => region.size, 1000);
  }
} catch (error) {
  console.log((error as { code?: string }).code ?? String(error));
}
