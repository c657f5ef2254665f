import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { closeFds } from '../../lib/channel/fds.ts';
import { SharedRegion } from '../../lib/region/shared-region.ts';
import { childCommand, codeOf, openFds, start, startPart, startPython } from '../helpers/channel.ts';

/** A channel to a process that has the other end on descriptor 3. */
function with3(begin: (fd: number) => ReturnType<typeof start>): [FdChannel, ReturnType<typeof start>] {
  const [mine, theirs] = FdChannel.pair();
  const child = begin(theirs.fd);
  theirs.close();
  return [mine, child];
}

describe('FdChannel between processes', () => {
  let open: number;
  beforeEach(() => {
    open = openFds();
  });
  afterEach(() => {
    // Fewer are no leak: what an earlier test left to the garbage collector may go meanwhile.
    expect(openFds(), 'open descriptors').to.be.at.most(open);
  });

  it('works over an inherited descriptor, and leaves that usable', async () => {
    const [channel, child] = with3((fd) => startPart('echo', fd));
    const null_ = openSync('/dev/null', 'r');
    for (const message of ['text', { a: [1] }]) {
      await channel.send(message, [null_, null_]);
      const received = await channel.receive();
      expect(received.message).to.deep.equal(message);
      expect(received.fds.length).to.equal(2);
      closeFds(received.fds);
    }
    const big = new Uint8Array(10 * 1024 * 1024).fill(77);
    const [echo] = await Promise.all([channel.receive<Uint8Array>(), channel.send(big)]);
    expect(Buffer.compare(echo.message, big)).to.equal(0);
    closeSync(null_);
    channel.close();
    expect(await child.exit).to.equal(0);
  });

  it('keeps a process alive that receives, until the answer', async () => {
    const [channel, child] = with3((fd) => startPart('pending', fd));
    await channel.send('awaited');
    expect(await child.exit).to.equal(0);
    expect(child.output()).to.equal('awaited\n');
    channel.close();
  });

  it('slows a sender down to its receiver, in order and in bounded memory', async () => {
    const [channel, child] = with3((fd) => startPart('slow', fd));
    const before = process.memoryUsage.rss();
    const bytes = new Uint8Array(256 * 1024);
    let peak = 0;
    for (let i = 0; i < 400; i++) {
      bytes.fill(i % 256);
      await channel.send(bytes);
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    channel.close();
    expect(await child.exit).to.equal(0);
    expect(child.output()).to.equal('400\n');
    expect((peak - before) / 2 ** 20).to.be.below(50);
  });

  it('loses descriptors loudly when the table of the receiver is full', async () => {
    const command = [process.execPath, ...childCommand('starved')].map((word) => `'${word}'`).join(' ');
    const [channel, child] = with3((fd) => start('sh', ['-c', `ulimit -n 64; exec ${command}`], fd));
    await channel.receive();
    const null_ = openSync('/dev/null', 'r');
    await channel.send('too many', new Array(40).fill(null_));
    await channel.send('without');
    await channel.send('fits', [null_, null_]);
    closeSync(null_);
    expect((await channel.receive()).message).to.deep.equal(['ERR_FDS_LOST', 'without:0', 'fits:2']);
    channel.close();
    expect(await child.exit).to.equal(0);
  });

  it('says so when the peer is killed in the middle of a message', async () => {
    const program =
      'socket.send_fds(sock, [header(2, 1000, 1) + b"half"], [null])\nos.kill(os.getpid(), signal.SIGKILL)';
    for (const iterate of [false, true]) {
      const [channel, child] = with3((fd) => startPython(program, fd));
      const all = async () => {
        for await (const _ of channel);
      };
      expect(await codeOf(iterate ? all() : channel.receive())).to.equal('ERR_BAD_MESSAGE');
      expect(channel.closed).to.equal(true);
      expect(await child.exit).to.equal('SIGKILL');
    }
  });

  it('ends in order when the peer is killed between messages', async () => {
    const [channel, child] = with3((fd) =>
      startPython('send(sock, 1, b"1")\nos.kill(os.getpid(), signal.SIGKILL)', fd),
    );
    const seen: unknown[] = [];
    for await (const { message } of channel) seen.push(message);
    expect(seen).to.deep.equal([1]);
    channel.close();
    await child.exit;
  });

  it('keeps in step when descriptors are missing or too many', async () => {
    const program = `
sock.sendall(header(1, 1, 1) + b'1')
send(sock, 1, b'2', [null])
socket.send_fds(sock, [header(1, 1, 1) + b'3'], [null, null])
socket.send_fds(sock, [header(1, 1, 0) + b'4'], [null])
for byte in header(2, 30, 1) + b'x' * 30:
    socket.send_fds(sock, [bytes([byte])], [null] * 20)      # fewer in all than a user may have under way (RLIMIT_NOFILE)
send(sock, 1, b'6', [null])
`;
    const [channel, child] = with3((fd) => startPython(program, fd));
    const outcomes: unknown[] = [];
    for (let i = 0; i < 6; i++) {
      try {
        const { message, fds } = await channel.receive();
        outcomes.push([message, fds.length]);
        closeFds(fds);
      } catch (error) {
        outcomes.push((error as { code: string }).code);
      }
    }
    expect(outcomes).to.deep.equal([
      'ERR_FDS_LOST',
      [2, 1],
      'ERR_FDS_LOST',
      'ERR_FDS_LOST',
      'ERR_FDS_LOST',
      [6, 1],
    ]);
    expect(await child.exit).to.equal(0);
    channel.close();
  });

  for (const [name, text] of [
    ['another magic', 'header(1, 0, magic=b"ACH2")'],
    ['an unknown kind', 'header(3, 0)'],
    ['a reserved byte', 'header(1, 0, zero=1)'],
    ['254 descriptors announced', 'header(1, 0, 254)'],
    ['64 MiB and a byte announced', 'header(2, (64 << 20) + 1)'],
    ['a payload of kind none', 'header(0, 1)'],
  ]) {
    it(`closes a channel that carries ${name}`, async () => {
      const [channel, child] = with3((fd) => startPython(`socket.send_fds(sock, [${text}], [null])`, fd));
      const both = [codeOf(channel.receive()), codeOf(channel.receive())];
      expect(await Promise.all(both)).to.deep.equal(['ERR_BAD_MESSAGE', 'ERR_CHANNEL_CLOSED']);
      expect(channel.closed).to.equal(true);
      expect(await child.exit).to.equal(0);
    });
  }
});

describe('regions over a channel', () => {
  it('reach another thread of control, with a message and without', async () => {
    const open = openFds();
    const [a, b] = FdChannel.pair();
    const region = SharedRegion.create({ size: 8192, name: 'sent' });
    region.view(0, 5).set(Buffer.from('hello'));
    await a.sendRegion(region);
    await a.sendRegion(region, { with: 'words' });
    await a.send('in a list', [region]);
    const first = await b.receiveRegion();
    expect(first.message).to.equal(undefined);
    expect(Buffer.from(first.region.view(0, 5)).toString()).to.equal('hello');
    first.region.view(0, 5).set(Buffer.from('HELLO'));
    expect(Buffer.from(region.view(0, 5)).toString()).to.equal('HELLO');
    const second = await b.receiveRegion<{ with: string }>();
    expect(second.message.with).to.equal('words');
    const third = await b.receiveRegion();
    for (const each of [region, first.region, second.region, third.region]) each.close();
    expect(await codeOf(a.sendRegion(region))).to.equal('ERR_REGION_CLOSED');
    expect(await codeOf(a.sendRegion({ fd: 0 } as SharedRegion))).to.equal('ERR_INVALID_ARG_TYPE');
    const own = SharedRegion.create({ size: 4096, scope: 'process' });
    expect(await codeOf(a.sendRegion(own))).to.equal('ERR_NOT_SHAREABLE');
    expect(await codeOf(a.send('x', [own]))).to.equal('ERR_NOT_SHAREABLE');
    own.close();
    a.close();
    b.close();
    expect(openFds()).to.equal(open);
  });

  it('are refused, and their descriptors closed, when they are none', async () => {
    const open = openFds();
    const [a, b] = FdChannel.pair();
    const null_ = openSync('/dev/null', 'r');
    await a.send('nothing');
    await a.send('no region', [null_]);
    await a.send('two', [null_, null_]);
    expect(await codeOf(b.receiveRegion())).to.equal('ERR_BAD_MESSAGE');
    expect(await codeOf(b.receiveRegion())).to.equal('ERR_UNTRUSTED_FD');
    expect(await codeOf(b.receiveRegion())).to.equal('ERR_BAD_MESSAGE');
    await a.send('next');
    expect((await b.receive()).message).to.equal('next');
    closeSync(null_);
    a.close();
    b.close();
    expect(openFds()).to.equal(open);
  });

  it('are read and written by a Python program that knows nothing but docs/protocol.md', async () => {
    const program = `
kind, payload, (fd,) = receive(sock)
assert kind == 1 and payload == b'{"for":"python"}', (kind, payload)
F_GET_SEALS, ASHMEM_GET_SIZE = 1034, 0x7704
if stat.S_ISCHR(os.fstat(fd).st_mode):                       # an area: its size counts from the first mapping on
  mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ).close()
  end = fcntl.ioctl(fd, ASHMEM_GET_SIZE)
else:
  assert fcntl.fcntl(fd, F_GET_SEALS) & 2                    # F_SEAL_SHRINK
  end = os.fstat(fd).st_size
header = os.pread(fd, 512, end - 512)
magic, version, header_size, size = struct.unpack_from('<8sIIQ', header)
assert magic == b'ASHMCPT1' and version in (1, 2) and header_size == 512 and size == 10000
data = mmap.mmap(fd, size, mmap.MAP_SHARED)
assert data[:4] == b'node', data[:4]
data[9000:9006] = b'python'
send(sock, 2, b'written')
send(sock, 0, b'', [fd])
`;
    const [channel, child] = with3((fd) => startPython(program, fd));
    const region = SharedRegion.create({ size: 10_000 });
    region.view(0, 4).set(Buffer.from('node'));
    await channel.sendRegion(region, { for: 'python' });
    expect(Buffer.from((await channel.receive<Uint8Array>()).message).toString()).to.equal('written');
    expect(Buffer.from(region.view(9000, 6)).toString()).to.equal('python');
    const back = await channel.receiveRegion();
    expect(back.region.size).to.equal(10_000);
    expect(Buffer.from(back.region.view(9000, 6)).toString()).to.equal('python');
    expect(await child.exit).to.equal(0);
    for (const each of [region, back.region, channel]) each.close();
  });
});
