import { FdServer, SharedRegion } from '../../lib/index.ts';

const region = SharedRegion.create({ name: 'letter', size: 4096 }); // all of it is pinned by us, its creator
const text = region.view(0, region.size);
new TextEncoder().encodeInto('Hello from the server', text);

const server = await FdServer.listen(process.argv[2] ?? 'share-fd.sock', async (channel) => {
  await channel.sendRegion(region); // one file descriptor, no copy
  await channel.receive(); // the client has written its answer
  console.log('the client wrote:', new TextDecoder().decode(text).split('\0')[0]);
  channel.close();
  server.close();
});
console.log('serving a region');
