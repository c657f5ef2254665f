// A message with one fd to another process and one with one fd back, over FdChannel. Arguments: payload bytes, rounds per batch,
// batches, processor of the peer. Both ends close what they get.

import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { measureAsync, report } from './measure.ts';
import { FdChannel } from './package.ts';
import { startPeer } from './peer.ts';

const [bytes = 0, rounds = 0, batches = 0, processor = 0] = process.argv.slice(2).map(Number);
const [channel, theirs] = FdChannel.pair();
const peer = startPeer('echo-peer', processor, [], ['ignore', 'inherit', 'inherit', theirs.fd]);
theirs.close();

const message = new Uint8Array(bytes).fill(120);
const passed = openSync('/dev/null', 'r');
const samples = await measureAsync(batches, rounds, async (count) => {
  for (let i = 0; i < count; i++) {
    await channel.send(message, [passed]);
    const answer = await channel.receive();
    if (answer.fds.length !== 1) throw new Error('no fd came back');
    closeSync(answer.fds[0]!);
  }
});
channel.close();
const [status] = await once(peer, 'exit');
if (status !== 0) throw new Error(`the peer exited with ${status}`);
report({ ours: samples });
