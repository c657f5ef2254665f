// A stranger's program, type-checked against the declarations that the package ships. Never run.

import { AshmemError, type CreateOptions, FdChannel, FdServer, probe, SharedRegion } from 'ashmem-compat';

const options: CreateOptions = { name: 'thumbnails', size: 1 << 20, granularity: 65536, scope: 'shared' };

export async function main(): Promise<number> {
  using region = SharedRegion.create(options);
  const lost: { offset: number; length: number }[] = [];
  const state: 'kept' | 'purged' = region.pin(0, 65536, lost);
  const sum: number = region.access(0, 65536, (bytes, was) =>
    was === state ? bytes.reduce((a, b) => a + b) : 0,
  );
  const read: number | undefined = region.tryRead(0, 4, (bytes) => bytes[0] ?? 0);
  const held: Promise<string> = region.access(0, 4, async (bytes) => String(bytes.length));
  region.unpin(0, 65536);
  const status: 'pinned' | 'unpinned' = region.pinStatus();
  const { size, pinned, unpinned, purged, resident } = region.stats();
  const whole: ArrayBuffer = region.buffer;
  region.protect('read');

  const [here, there] = FdChannel.pair();
  await here.sendRegion(region, { status });
  const { region: received } = await there.receiveRegion();
  await there.send(new Uint8Array(4), [received, 1]);
  const { message, fds } = await here.receive({ signal: AbortSignal.timeout(1000) });
  const server: FdServer = await FdServer.listen('\0name', (channel) => channel.close());
  server.close();
  for await (const next of here) console.log(next.fds, here.peer.pid);

  // @ts-expect-error: 'write' is not a protection
  region.protect('write');
  // @ts-expect-error: the size is not optional
  SharedRegion.create({ name: 'no size' });

  try {
    SharedRegion.fromFd(0, { backend: 'memfd' }).close();
  } catch (error) {
    if (error instanceof AshmemError && error.code === 'ERR_UNTRUSTED_FD') return error.errno ?? 0;
  }
  const names: string[] = probe()
    .backends.filter(({ available }) => available)
    .map(({ name }) => name);
  console.log(names, message, fds, whole, await held, sum, read);
  return size + pinned + unpinned + purged + resident;
}
