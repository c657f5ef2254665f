import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FdChannel } from '../../lib/channel/fd-channel.ts';
import { codeOf, failure } from '../helpers/channel.ts';

describe('FdChannel.receive', () => {
  let a: FdChannel;
  let b: FdChannel;
  beforeEach(() => {
    [a, b] = FdChannel.pair();
  });
  afterEach(() => {
    a.close();
    b.close();
  });

  it('serves calls in their order, whether messages wait or they do', async () => {
    const first = [b.receive(), b.receive(), b.receive()];
    for (let i = 0; i < 6; i++) await a.send(i);
    const second = [b.receive(), b.receive(), b.receive()];
    const all = await Promise.all([...first, ...second]);
    expect(all.map(({ message }) => message)).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });

  it('rejects with the reason when aborted, and loses no message', async () => {
    const controller = new AbortController();
    const one = b.receive({ signal: controller.signal });
    const two = b.receive();
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await one.catch((e) => e)).to.equal(reason);
    await a.send('kept');
    expect((await two).message).to.equal('kept');
    const three = b.receive({ signal: AbortSignal.timeout(1) });
    expect(((await three.catch((e) => e)) as Error).name).to.equal('TimeoutError');
    await a.send('kept too');
    await sleep(5);
    expect((await b.receive()).message).to.equal('kept too');
  });

  it('consumes nothing when the signal was aborted before', async () => {
    await a.send('kept');
    const error = await b.receive({ signal: AbortSignal.abort() }).catch((e) => e);
    expect((error as Error).name).to.equal('AbortError');
    expect((await b.receive()).message).to.equal('kept');
  });

  it('keeps a message of which a part had arrived when the waiting was aborted', async () => {
    const bytes = new Uint8Array(3_000_000).fill(5);
    const controller = new AbortController();
    const waiting = b.receive({ signal: controller.signal });
    const sending = a.send(bytes);
    setImmediate(() => controller.abort());
    await waiting.catch(() => {});
    if (controller.signal.aborted) {
      const outcome = await Promise.race([
        waiting.then(
          () => 'arrived',
          () => 'aborted',
        ),
      ]);
      if (outcome === 'aborted') expect((await b.receive<Uint8Array>()).message.length).to.equal(3_000_000);
    }
    await sending;
  });

  it('leaves no listener on the signal', async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = controller.signal;
    controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      return addEventListener.apply(controller.signal, args);
    };
    controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      return removeEventListener.apply(controller.signal, args);
    };
    const waiting = b.receive({ signal: controller.signal });
    await a.send(1);
    await waiting;
    expect(listeners).to.equal(0);
  });

  it('refuses a signal that is none', async () => {
    expect(await codeOf(b.receive({ signal: {} as AbortSignal }))).to.equal('ERR_INVALID_ARG_TYPE');
  });

  it('gives what was sent before the peer closed, then ERR_CHANNEL_CLOSED', async () => {
    await a.send('last');
    a.close();
    expect((await b.receive()).message).to.equal('last');
    const error = await failure(b.receive());
    expect(error.code).to.equal('ERR_CHANNEL_CLOSED');
    expect(error.errno).to.equal(undefined);
    expect(b.closed).to.equal(false);
  });

  it('says ECONNRESET when the peer left with something unread', async () => {
    await b.send('never read');
    a.close();
    const error = await failure(b.receive());
    expect([error.code, error.errno, error.syscall]).to.deep.equal(['ERR_CHANNEL_CLOSED', -104, 'recvmsg']);
  });

  it('rejects everything that waits when this end closes', async () => {
    const waiting = [b.receive(), b.receive({ signal: new AbortController().signal })].map((p) => codeOf(p));
    const sending = codeOf(b.send(new Uint8Array(20_000_000)));
    b.close();
    b.close();
    expect(await Promise.all(waiting)).to.deep.equal(['ERR_CHANNEL_CLOSED', 'ERR_CHANNEL_CLOSED']);
    expect(await sending).to.equal('ERR_CHANNEL_CLOSED');
    expect(b.closed).to.equal(true);
  });

  it('rejects everything that waits when the peer closes', async () => {
    const waiting = [b.receive(), b.receive()].map((p) => codeOf(p));
    const sending = [b.send(new Uint8Array(20_000_000)), b.send('behind it')].map((p) => failure(p));
    await sleep(1);
    a.close();
    expect(await Promise.all(waiting)).to.deep.equal(['ERR_CHANNEL_CLOSED', 'ERR_CHANNEL_CLOSED']);
    for (const error of await Promise.all(sending)) {
      expect(error.code).to.equal('ERR_CHANNEL_CLOSED');
      expect(error.errno).to.be.oneOf([-32, -104]);
    }
    expect((await failure(b.send('after'))).errno).to.equal(-32);
  });

  it('has every method refuse after close()', async () => {
    b.close();
    expect(await codeOf(b.send(1))).to.equal('ERR_CHANNEL_CLOSED');
    expect(await codeOf(b.receive())).to.equal('ERR_CHANNEL_CLOSED');
    expect(await codeOf(b.receiveRegion())).to.equal('ERR_CHANNEL_CLOSED');
    expect(await codeOf(() => b.fd)).to.equal('ERR_CHANNEL_CLOSED');
    expect(b.peer.pid).to.equal(process.pid);
    b[Symbol.dispose]();
  });

  it('iterates until the peer closes', async () => {
    for (let i = 0; i < 5; i++) await a.send(i);
    a.close();
    const seen: unknown[] = [];
    for await (const { message } of b) seen.push(message);
    expect(seen).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('ends an iteration that waits when this end closes, and stays open after a break', async () => {
    await a.send(1);
    await a.send(2);
    for await (const { message } of b) {
      expect(message).to.equal(1);
      break;
    }
    expect((await b.receive()).message).to.equal(2);
    setImmediate(() => b.close());
    for await (const _ of b) throw new Error('nothing was sent');
  });

  it('throws from an iteration when the peer left with something unread', async () => {
    await b.send('never read');
    a.close();
    const all = (async () => {
      for await (const _ of b);
    })();
    expect((await failure(all)).errno).to.equal(-104);
  });
});
