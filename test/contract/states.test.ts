import { expect } from 'chai';
import { SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { type ContractBackend, describeContract, where } from './backends.ts';

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

/** A way of making a region, and the code that each member answers with then (none: it works). */
interface State {
  make: () => SharedRegion;
  refuses: Record<string, string>;
}

function crossWithMembers(what: string, { make, refuses }: State): void {
  for (const [name, call] of Object.entries(members)) {
    const code = refuses[name];
    it(`${name} of ${what}: ${code ?? 'works'}`, () => {
      const region = make();
      if (code) expectCode(() => call(region), code);
      else expect(() => call(region)).to.not.throw();
      region.close();
      region.close(); // closing twice is as good as once
      expect(region.closed).to.equal(true);
    });
  }
}

const writable = (backend: ContractBackend): State => ({
  make: () => backend.create(4 * page),
  refuses: backend.shared ? {} : { fd: 'ERR_NOT_SHAREABLE', protect: 'ERR_NOT_SHAREABLE' },
});

const readOnly = (backend: ContractBackend): State => ({
  make: () => {
    using made = backend.create(4 * page);
    made.protect('read');
    return SharedRegion.fromFd(made.fd);
  },
  refuses: {
    pin: 'ERR_READ_ONLY',
    unpin: 'ERR_READ_ONLY',
    access: 'ERR_READ_ONLY',
    purge: 'ERR_READ_ONLY',
  },
});

const closed = (backend: ContractBackend): State => ({
  make: () => {
    const made = backend.create(4 * page);
    made.close();
    return made;
  },
  refuses: Object.fromEntries(Object.keys(members).map((name) => [name, 'ERR_REGION_CLOSED'])),
});

describeContract('every member in every state', (backend) => {
  crossWithMembers('a writable region', writable(backend));
  crossWithMembers('a closed region', closed(backend));
  where(backend, 'sharing', () => crossWithMembers('a read-only region', readOnly(backend)));

  it('what a region is can be asked after it was closed', () => {
    const region = backend.create(4 * page + 1, { name: 'thumbnails' });
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
      backend: backend.name,
      granularity: page,
      scope: backend.scope,
      readonly: false,
      purgeable: false,
      closed: true,
    });
  });

  it('closed regions do not take the numbers of open ones with them', () => {
    const first = backend.create(page);
    first.close();
    const second = backend.create(page);
    expectCode(() => first.pin(), 'ERR_REGION_CLOSED');
    expect(second.pin()).to.equal('kept');
    second.close();
  });

  it('using closes at the end of the block', () => {
    let region: SharedRegion;
    {
      using scoped = backend.create(page);
      region = scoped;
    }
    expect(region.closed).to.equal(true);
  });
});
