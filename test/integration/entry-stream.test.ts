import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import fastify from 'fastify';
import { fetch as undiciFetch } from 'undici';
import { entryStream, sendEntry, VolatileCache } from '../../lib/index.ts';

const size = 8 * 2 ** 20 + 3;
const value = Buffer.alloc(size);
for (let i = 0; i < size; i += 4093) value.writeUInt8((i * 7) & 255, i);

const turn = () => new Promise((resolve) => setImmediate(resolve));
/** Pins are given back when the socket is closed: some turns after the client has gone. */
async function until(check: () => boolean): Promise<void> {
  while (!check()) await turn();
}

describe('an entry as a body', () => {
  let cache: VolatileCache;
  beforeEach(() => {
    cache = VolatileCache.create({ capacity: 2 ** 25 });
    cache.set('big', value);
  });
  afterEach(() => cache.close());
  const pinned = () => cache.stats().pinned;

  async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
      port,
      url: `http://127.0.0.1:${port}/`,
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    };
  }
  const ways: [string, (response: ServerResponse) => void][] = [
    ['sendEntry', (response) => sendEntry(response, cache.get('big')!)],
    ['entryStream', (response) => void entryStream(cache.get('big')!).pipe(response)],
  ];

  for (const [name, send] of ways) {
    it(`${name}: the client gets every byte, and the pin ends then`, async () => {
      const server = await serve((_, response) => {
        send(response);
        // Under pressure meanwhile: what is pinned stays.
        cache.purge();
      });
      const body = Buffer.from(await (await fetch(server.url)).arrayBuffer());
      expect(body.equals(value)).to.equal(true);
      await until(() => pinned() === 0);
      expect(cache.purge()).to.be.at.least(size);
      server.close();
    });
  }

  it('sendEntry: a client that does not read keeps the pin, and one that goes away ends it', async () => {
    let answered = 0;
    const server = await serve((_, response) => {
      sendEntry(response, cache.get('big')!);
      answered++;
    });
    const client: Socket = connect(server.port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(client, 'readable');
    await until(() => answered === 1);
    for (let i = 0; i < 20; i++) await turn();
    expect(pinned()).to.be.at.least(size);
    expect(cache.purge()).to.equal(0);
    client.destroy();
    await until(() => pinned() === 0);
    server.close();
  });

  it('entryStream: destroyed half-way it releases, and an error of a pipeline does too', async () => {
    const entry = cache.get('big')!;
    const stream = entryStream(entry);
    stream.read(1);
    expect(entry.released).to.equal(false);
    stream.destroy();
    await once(stream, 'close');
    expect(entry.released).to.equal(true);
    expect(pinned()).to.equal(0);
  });

  it('sendEntry: a request that was aborted before the answer is no leak', async () => {
    let done: () => void = () => {};
    const aborted = new Promise<void>((resolve) => {
      done = resolve;
    });
    const server = await serve(async (request, response) => {
      await once(response, 'close');
      sendEntry(response, cache.get('big')!);
      void request;
      done();
    });
    const request = get(server.url);
    request.on('error', () => {});
    await once(request, 'socket');
    await once(request.socket!, 'connect');
    await turn();
    setTimeout(() => request.destroy(), 20);
    await aborted;
    expect(pinned()).to.equal(0);
    server.close();
  });

  it('as the body of a fetch Response, and sent by fetch and undici', async () => {
    const { Readable } = await import('node:stream');
    const response = new Response(Readable.toWeb(entryStream(cache.get('big')!)) as never);
    expect(Buffer.from(await response.arrayBuffer()).equals(value)).to.equal(true);
    await until(() => pinned() === 0);
    const cancelled = new Response(Readable.toWeb(entryStream(cache.get('big')!)) as never);
    await cancelled.body!.cancel();
    await until(() => pinned() === 0);

    const server = await serve(async (request, answer) => {
      answer.end(String((await buffer(request)).equals(value)));
    });
    const sent = await undiciFetch(server.url, {
      method: 'POST',
      body: entryStream(cache.get('big')!),
      duplex: 'half',
    });
    expect(await sent.text()).to.equal('true');
    await until(() => pinned() === 0);
    server.close();
  });

  it('through fastify', async () => {
    const app = fastify();
    app.get('/stream', (_, reply) => reply.send(entryStream(cache.get('big')!)));
    app.get('/whole', (_, reply) => {
      reply.hijack();
      sendEntry(reply.raw, cache.get('big')!);
    });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    for (const path of ['/stream', '/whole']) {
      const body = Buffer.from(await (await fetch(url + path)).arrayBuffer());
      expect(body.equals(value), path).to.equal(true);
      await until(() => pinned() === 0);
    }
    await app.close();
  });

  it('a range of it, and wrong ranges', async () => {
    const part = await buffer(entryStream(cache.get('big')!, { start: 5, end: 100001, pieceSize: 1000 }));
    expect(part.equals(value.subarray(5, 100001))).to.equal(true);
    const entry = cache.get('big')!;
    for (const wrong of [
      { start: -1 },
      { end: size + 1 },
      { start: 2, end: 1 },
      { pieceSize: 0 },
      { start: 0.5 },
    ]) {
      expect(() => entryStream(entry, wrong))
        .to.throw(RangeError)
        .with.property('code', 'ERR_OUT_OF_RANGE');
    }
    expect(entry.released).to.equal(false);
    entry.release();
    expect(pinned()).to.equal(0);
  });
});
