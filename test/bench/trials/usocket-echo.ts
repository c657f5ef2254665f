// What echo.ts does, over the npm package usocket. Arguments: payload bytes, rounds per batch, batches, processor
// of the peer.

import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAsync, report } from './measure.ts';
import { startPeer } from './peer.ts';
import { UServer, type USocket } from './usocket.ts';

const [bytes = 0, rounds = 0, batches = 0, processor = 0] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'usocket-'));
const server = new UServer();
server.listen(join(folder, 'socket'));
await once(server, 'listening');
const peer = startPeer(
  'usocket-peer',
  processor,
  [join(folder, 'socket'), String(bytes)],
  ['ignore', 'inherit', 'inherit'],
);
const [socket] = (await once(server, 'connection')) as [USocket];
server.close();
rmSync(folder, { recursive: true });

const data = Buffer.alloc(bytes, 'x');
const passed = openSync('/dev/null', 'r');
let answered: () => void = () => {};
socket.on('readable', () => {
  const got = socket.read(bytes, 1);
  if (!got) return;
  for (const fd of got.fds) closeSync(fd);
  answered();
});

const samples = await measureAsync(batches, rounds, async (count) => {
  for (let i = 0; i < count; i++) {
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    socket.write({ data, fds: [passed] });
    await answer;
  }
});
report({ usocket: samples });
peer.kill();
socket.destroy();
