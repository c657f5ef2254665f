import { expect } from 'chai';
import { SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { backends, describeContract } from './backends.ts';

describe('the backend of a region', () => {
  const shared = backends.find((backend) => backend.shared)!;

  it('is the best that works here, for either scope', () => {
    using forAll = SharedRegion.create({ size: page });
    expect(forAll.backend).to.equal(shared.name);
    using forOne = SharedRegion.create({ size: page, scope: 'process' });
    expect(forOne.backend).to.equal(backends.find((backend) => !backend.shared)!.name);
  });

  it('is found out from the fd', () => {
    for (const backend of backends.filter((one) => one.shared)) {
      using made = backend.create(page, { name: 'found-out' });
      using same = SharedRegion.fromFd(made.fd);
      expect([same.backend, same.name]).to.deep.equal([backend.name, 'found-out']);
    }
  });

  it('is not another one, if it was asked for', () => {
    const sharing = backends.filter((one) => one.shared);
    for (const backend of sharing) {
      using made = backend.create(page);
      using same = SharedRegion.fromFd(made.fd, { backend: backend.name });
      expect(same.backend).to.equal(backend.name);
      for (const other of sharing) {
        if (other === backend) continue;
        expectCode(() => SharedRegion.fromFd(made.fd, { backend: other.name }), 'ERR_UNTRUSTED_FD');
      }
    }
  });

  it('is one that can hold it, however large it is', () => {
    const size = 5 * 2 ** 30;
    using region = SharedRegion.create({ size });
    expect(region.size).to.equal(size);
    expect(region.backend).to.equal(backends.find((one) => one.shared && one.sizeLimit > size)!.name);
  });
});

describeContract('the size of a region', (backend) => {
  it('may be a byte', () => {
    using region = backend.create(1);
    region.view(0, 1)[0] = 5;
    region.unpin();
    expect(region.pin()).to.equal('kept');
    region.unpin();
    expect(region.purge()).to.equal(1);
    expect(region.pin()).to.equal('purged');
  });

  if (backend.sizeLimit <= 2 ** 32) {
    it('of 4 GiB and more is refused, and the error says why', () => {
      for (const size of [backend.sizeLimit, backend.sizeLimit + 1, 2 ** 33, 2 ** 45]) {
        const error = expectCode(() => backend.create(size), 'ERR_OUT_OF_RANGE');
        expect(error.message).to.match(/4 GiB|32-bit/);
      }
    });
  }
});

describeContract('the pins of a region of ours', (backend) => {
  it('are counted', () => {
    const made = backend.create(page);
    expect(made.counted).to.equal(true);
    if (backend.shared) {
      using other = SharedRegion.fromFd(made.fd);
      expect(other.counted).to.equal(true);
      made.protect('read');
      using reader = SharedRegion.fromFd(made.fd);
      expect(reader.counted).to.equal(true);
    }
    made.close();
    expect(made.counted).to.equal(true);
  });
});
