// The other process of a round trip over FdChannel, in fd 3: closes the fd that came, answers with a message and one of its own.

import { closeSync, openSync } from 'node:fs';
import { FdChannel } from './package.ts';

const channel = FdChannel.fromFd(3);
const passed = openSync('/dev/null', 'r');
for await (const { message, fds } of channel) {
  for (const fd of fds) closeSync(fd);
  await channel.send(message as Uint8Array, [passed]);
}
