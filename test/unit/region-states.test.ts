import { expect } from 'chai';
import { SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';

/** Every member of a region, called harmlessly. */
const members: Record<string, (region: SharedRegion) => unknown> = {
  pin: (r) => r.pin(),
  unpin: (r) => {
    r.pin();
    r.unpin();
  },
  pinStatus: (r) => r.pinStatus(),
  access: (r) => r.access(0, page, () => 1),
  tryRead: (r) => r.tryRead(0, page, () => 1),
  purge: (r) => r.purge(),
  protect: (r) => r.protect('read'),
  stats: (r) => r.stats(),
  buffer: (r) => r.buffer,
  view: (r) => r.view(0, 1),
  fd: (r) => r.fd,
};

/** State: how to make a region in it, and the code that each member answers with (none: it works). */
const states: Record<string, { make: () => SharedRegion; refuses: Record<string, string> }> = {
  'a writable region': { make: () => SharedRegion.create({ size: 4 * page }), refuses: {} },
  'an anonymous region': {
    make: () => SharedRegion.create({ size: 4 * page, scope: 'process' }),
    refuses: { fd: 'ERR_NOT_SHAREABLE', protect: 'ERR_NOT_SHAREABLE' },
  },
  'a read-only region': {
    make: () => {
      const made = SharedRegion.create({ size: 4 * page });
      made.protect('read');
      const reader = SharedRegion.fromFd(made.fd);
      made.close();
      return reader;
    },
    refuses: {
      pin: 'ERR_READ_ONLY',
      unpin: 'ERR_READ_ONLY',
      access: 'ERR_READ_ONLY',
      purge: 'ERR_READ_ONLY',
    },
  },
  'a closed region': {
    make: () => {
      const made = SharedRegion.create({ size: 4 * page });
      made.close();
      return made;
    },
    refuses: Object.fromEntries(Object.keys(members).map((name) => [name, 'ERR_REGION_CLOSED'])),
  },
  'a closed anonymous region': {
    make: () => {
      const made = SharedRegion.create({ size: 4 * page, scope: 'process' });
      made.close();
      return made;
    },
    refuses: Object.fromEntries(Object.keys(members).map((name) => [name, 'ERR_REGION_CLOSED'])),
  },
};

describe('every member in every state', () => {
  for (const [state, { make, refuses }] of Object.entries(states)) {
    for (const [name, call] of Object.entries(members)) {
      const code = refuses[name];
      it(`${name} of ${state}: ${code ?? 'works'}`, () => {
        const region = make();
        if (code) expectCode(() => call(region), code);
        else expect(() => call(region)).to.not.throw();
        region.close();
        region.close(); // closing twice is as good as once
        expect(region.closed).to.equal(true);
      });
    }
  }

  it('what a region is can be asked after it was closed', () => {
    const region = SharedRegion.create({ size: 4 * page + 1, name: 'thumbnails' });
    region.close();
    expect({
      name: region.name,
      size: region.size,
      backend: region.backend,
      granularity: region.granularity,
      scope: region.scope,
      readonly: region.readonly,
      purgeable: region.purgeable,
      closed: region.closed,
    }).to.deep.equal({
      name: 'thumbnails',
      size: 4 * page + 1,
      backend: 'memfd',
      granularity: page,
      scope: 'shared',
      readonly: false,
      purgeable: false,
      closed: true,
    });
  });

  it('closed regions do not take the numbers of open ones with them', () => {
    const first = SharedRegion.create({ size: page });
    first.close();
    const second = SharedRegion.create({ size: page });
    expectCode(() => first.pin(), 'ERR_REGION_CLOSED');
    expect(second.pin()).to.equal('kept');
    second.close();
  });

  it('using closes at the end of the block', () => {
    let region: SharedRegion;
    {
      using scoped = SharedRegion.create({ size: page });
      region = scoped;
    }
    expect(region.closed).to.equal(true);
  });
});

describe('a protected region', () => {
  it('is read-only for whoever gets the fd from then on, and for nobody else', () => {
    const a = SharedRegion.create({ size: 2 * page, name: 'protected' });
    const before = SharedRegion.fromFd(a.fd);
    const fd = a.fd;
    a.protect('read');
    expect(a.fd).to.equal(fd);
    const after = SharedRegion.fromFd(a.fd);
    expect([a.readonly, before.readonly, after.readonly]).to.deep.equal([false, false, true]);
    expect([a.purgeable, after.purgeable]).to.deep.equal([true, true]);
    new Uint8Array(a.buffer)[0] = 5;
    expect(new Uint8Array(after.buffer)[0]).to.equal(5);
    a.unpin();
    expect(before.purge()).to.equal(2 * page);
    expect(after.tryRead(0, page, () => 1)).to.equal(undefined);
    expect(before.pin()).to.equal('purged');
    new Uint8Array(before.buffer)[0] = 6;
    expect(after.tryRead(0, page, (bytes) => bytes[0])).to.equal(6);
    for (const region of [a, before, after]) region.close();
  });

  it('survives a stray write of a reader, which nobody else sees', () => {
    const a = SharedRegion.create({ size: page });
    a.protect('read');
    const reader = SharedRegion.fromFd(a.fd);
    new Uint8Array(reader.buffer).fill(9);
    expect(new Uint8Array(a.buffer)[0]).to.equal(0);
    a.close();
    reader.close();
  });
});
