import { fork } from 'node:child_process';
import { SharedRegion } from '../../lib/index.ts';

const isChild = process.argv[2] === 'child';
const region = isChild ? SharedRegion.fromFd(4) : SharedRegion.create({ name: 'letter', size: 4096 });
if (isChild) {
  region.pin();
  region.view(0, 5)[0] = 74; // 'J'
  region.unpin();
} else {
  new TextEncoder().encodeInto('Hello', region.view(0, 5));
  const child = fork(import.meta.filename, ['child'], { stdio: [0, 1, 2, 'ipc', region.fd] }); // 4 in the child
  child.on('exit', () => console.log('the child made of it:', new TextDecoder().decode(region.view(0, 5))));
}
