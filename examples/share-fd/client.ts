import { FdChannel } from '../../lib/index.ts';

const channel = await FdChannel.connect(process.argv[2] ?? 'share-fd.sock');
const { region } = await channel.receiveRegion(); // attached, and nothing pinned yet
const text = region.view(0, region.size);

const state = region.pin(); // from here to unpin() nobody can discard the bytes
console.log(`the bytes were ${state}:`, new TextDecoder().decode(text).split('\0')[0]);
new TextEncoder().encodeInto('Hello back from the client\0', text);
region.unpin();

await channel.send('answered');
channel.close();
