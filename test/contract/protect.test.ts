import { closeSync, openSync } from 'node:fs';
import { expect } from 'chai';
import { SharedRegion } from '../../lib/index.ts';
import { pageSize as page } from '../helpers/page.ts';
import { describeContract } from './backends.ts';

/** Android's app domains may not open a memfd once more. */
function mayOpenAgain(fd: number): boolean {
  try {
    closeSync(openSync(`/proc/self/fd/${fd}`, 'r'));
    return true;
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).to.equal('EACCES');
    return false;
  }
}

describeContract(
  'a protected region',
  (backend) => {
    it('is read-only for whoever gets the fd from then on, and for nobody else', () => {
      const a = backend.create(2 * page, { name: 'protected' });
      const before = SharedRegion.fromFd(a.fd);
      const fd = a.fd;
      a.protect('read');
      expect(a.fd).to.equal(fd);
      const after = SharedRegion.fromFd(a.fd);
      expect([a.readonly, before.readonly, after.readonly]).to.deep.equal([false, false, true]);
      const again = a.backend !== 'memfd' || mayOpenAgain(fd);
      expect([a.purgeable, after.purgeable]).to.deep.equal([again, again]);
      new Uint8Array(a.buffer)[0] = 5;
      expect(new Uint8Array(after.buffer)[0]).to.equal(5);
      a.unpin();
      if (!again) {
        // Sealed, for want of a second open file: nobody can write, and nobody can discard.
        expect(before.purge()).to.equal(0);
        expect(after.tryRead(0, page, (bytes) => bytes[0])).to.equal(5);
        for (const region of [a, before, after]) region.close();
        return;
      }
      expect(before.purge()).to.equal(2 * page);
      expect(after.tryRead(0, page, () => 1)).to.equal(undefined);
      expect(before.pin()).to.equal('purged');
      new Uint8Array(before.buffer)[0] = 6;
      expect(after.tryRead(0, page, (bytes) => bytes[0])).to.equal(6);
      for (const region of [a, before, after]) region.close();
    });

    it('survives a stray write of a reader, which nobody else sees', () => {
      const a = backend.create(page);
      a.protect('read');
      const reader = SharedRegion.fromFd(a.fd);
      new Uint8Array(reader.buffer).fill(9);
      expect(new Uint8Array(a.buffer)[0]).to.equal(0);
      a.close();
      reader.close();
    });
  },
  'sharing',
);
