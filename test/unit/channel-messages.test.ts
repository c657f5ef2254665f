import { expect } from 'chai';
import { FdChannel, type Message } from '../../lib/channel/fd-channel.ts';
import { MAX_MESSAGE_BYTES } from '../../lib/channel/limits.ts';
import { codeOf, failure } from '../helpers/channel.ts';

describe('FdChannel messages', () => {
  let a: FdChannel;
  let b: FdChannel;
  beforeEach(() => {
    [a, b] = FdChannel.pair();
  });
  afterEach(() => {
    a.close();
    b.close();
  });

  async function through(message: Message): Promise<unknown> {
    const [received] = await Promise.all([b.receive(), a.send(message)]);
    expect(received.fds).to.deep.equal([]);
    return received.message;
  }

  const values: [string, Message][] = [
    ['null', null],
    ['numbers', [0, -1.5, 1e300, 2 ** 53]],
    ['an empty string', ''],
    ['text of every width', 'aé€😀\0"\\\n'],
    ['a lone surrogate', 'x\ud800y'],
    ['nested objects', { a: [{ b: { c: [true, false, null] } }] }],
    [
      '4095 characters and their neighbours',
      [4080, 4090, 4091, 4092, 4093, 4094, 4095, 4096].map((n) => 'é'.repeat(n)),
    ],
  ];
  for (const [name, value] of values) {
    it(`carries ${name}`, async () => {
      expect(await through(value)).to.deep.equal(value);
    });
  }

  it('carries text around the size of its buffer', async () => {
    for (let n = 4080; n < 4100; n++) expect(await through('x'.repeat(n))).to.equal('x'.repeat(n));
    for (let n = 2040; n < 2050; n++) expect(await through('é'.repeat(n))).to.equal('é'.repeat(n));
  });

  for (const size of [0, 1, 65_535, 65_536, 65_537, 10 * 1024 * 1024]) {
    it(`carries ${size} bytes`, async () => {
      const bytes = new Uint8Array(size);
      for (let i = 0; i < size; i += 997) bytes[i] = i % 251;
      const got = await through(bytes);
      expect(got).to.be.instanceOf(Uint8Array);
      expect(Buffer.compare(got as Uint8Array, bytes)).to.equal(0);
    });
  }

  it('carries the largest message and refuses one byte more', async () => {
    const got = await through(new Uint8Array(MAX_MESSAGE_BYTES).fill(3));
    expect((got as Uint8Array).length).to.equal(MAX_MESSAGE_BYTES);
    expect((got as Uint8Array).at(-1)).to.equal(3);
    expect(await codeOf(a.send(new Uint8Array(MAX_MESSAGE_BYTES + 1)))).to.equal('ERR_MESSAGE_TOO_LARGE');
    expect(await codeOf(a.send('x'.repeat(MAX_MESSAGE_BYTES)))).to.equal('ERR_MESSAGE_TOO_LARGE');
    expect(await through('and goes on')).to.equal('and goes on');
  });

  it('takes a copy: bytes may be changed when send() has returned', async () => {
    const bytes = new Uint8Array(5_000_000).fill(1);
    const sending = a.send(bytes);
    bytes.fill(2);
    const { message } = await b.receive<Uint8Array>();
    await sending;
    expect(message.every((byte) => byte === 1)).to.equal(true);
  });

  it('sends the part of a buffer that a view shows', async () => {
    expect(await through(Buffer.from('abcdef').subarray(2, 4))).to.deep.equal(new Uint8Array([99, 100]));
  });

  it('keeps the order of small and large messages that nobody awaits', async () => {
    const count = 300;
    const sent = Promise.all(
      Array.from({ length: count }, (_, i) => a.send(i % 3 === 0 ? Buffer.alloc(50_000, i) : i)),
    );
    for (let i = 0; i < count; i++) {
      const { message } = await b.receive();
      if (i % 3 === 0) expect(message).to.deep.equal(new Uint8Array(50_000).fill(i));
      else expect(message).to.equal(i);
    }
    await sent;
  });

  it('goes both ways at once', async () => {
    const big = new Uint8Array(2_000_000).fill(9);
    const [x, y] = await Promise.all([
      a.receive<Uint8Array>(),
      b.receive<Uint8Array>(),
      a.send(big),
      b.send(big),
    ]);
    expect(x.message.length + y.message.length).to.equal(4_000_000);
  });

  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  let deep: unknown = 0;
  for (let i = 0; i < 200_000; i++) deep = [deep];
  const refused: [string, unknown, string][] = [
    ['undefined', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['a function', () => {}, 'ERR_INVALID_ARG_TYPE'],
    ['a symbol', Symbol('s'), 'ERR_INVALID_ARG_TYPE'],
    ['a BigInt', 1n, 'ERR_INVALID_ARG_TYPE'],
    ['a BigInt inside', { a: [1n] }, 'ERR_INVALID_ARG_TYPE'],
    ['undefined inside', { a: { b: undefined } }, 'ERR_INVALID_ARG_TYPE'],
    ['a function inside', [() => {}], 'ERR_INVALID_ARG_TYPE'],
    ['a hole', new Array(3), 'ERR_INVALID_ARG_TYPE'],
    ['a Map', new Map([[1, 2]]), 'ERR_INVALID_ARG_TYPE'],
    ['bytes inside', { bytes: new Uint8Array(3) }, 'ERR_INVALID_ARG_TYPE'],
    ['an ArrayBuffer', new ArrayBuffer(3), 'ERR_INVALID_ARG_TYPE'],
    ['an array of words', new Uint32Array(3), 'ERR_INVALID_ARG_TYPE'],
    ['NaN', Number.NaN, 'ERR_INVALID_ARG_VALUE'],
    ['an infinity inside', { a: [Number.POSITIVE_INFINITY] }, 'ERR_INVALID_ARG_VALUE'],
    ['a cycle', cyclic, 'ERR_INVALID_ARG_VALUE'],
    ['what is nested too deep', deep, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [name, value, code] of refused) {
    it(`refuses ${name} and sends nothing`, async () => {
      const error = await failure(a.send(value as Message));
      expect(error.code).to.equal(code);
      expect(error).to.be.instanceOf(TypeError);
      expect(await through('next')).to.equal('next');
    });
  }

  it('names the place of what JSON cannot say', async () => {
    const error = await failure(a.send({ list: [{ ok: 1 }, { bad: undefined }] } as unknown as Message));
    expect(error.message).to.include('message.list[1].bad');
  });

  it('lets toJSON() speak, and passes on what it throws', async () => {
    const date = new Date(0);
    expect(await through([date] as unknown as Message)).to.deep.equal([date.toISOString()]);
    const broken = {
      toJSON: () => {
        throw new Error('mine');
      },
    };
    const error = await a.send(broken as unknown as Message).catch((e: Error) => e);
    expect((error as Error).message).to.equal('mine');
  });

  it('refuses bytes whose memory is gone', async () => {
    const bytes = new Uint8Array(10);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(await codeOf(a.send(bytes))).to.equal('ERR_INVALID_ARG_VALUE');
  });

  it('lets the event loop turn while messages never stop', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    while (turns < 3) {
      await a.send('x');
      await b.receive();
    }
    clearInterval(timer);
  });
});
