// A worker that sends back whatever comes over the channel whose descriptor number it was given, until 'end'.
import { workerData } from 'node:worker_threads';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { closeFds } from '../../lib/channel/fds.ts';

const channel = FdChannel.fromFd((workerData as { fd: number }).fd);
for await (const { message, fds } of channel) {
  if (message === 'end') break;
  const sending = channel.send(message!, fds);
  closeFds(fds); // before the await: what was received is nobody else's to close when this worker is terminated
  await sending;
}
