// The other process of a round trip over usocket. Arguments: path of the socket, payload bytes.

import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { USocket } from './usocket.ts';

const [path = '', size = ''] = process.argv.slice(2);
const socket = new USocket(path);
await once(socket, 'connected'); // it must not be read before
const passed = openSync('/dev/null', 'r');
socket.on('readable', () => {
  for (let got = socket.read(Number(size), 1); got; got = socket.read(Number(size), 1)) {
    for (const fd of got.fds) closeSync(fd);
    socket.write({ data: got.data, fds: [passed] });
  }
});
socket.on('end', () => process.exit(0));
