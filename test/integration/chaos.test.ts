import { expect } from 'chai';
import { chaos } from '../chaos/run.ts';
import { describeContract } from '../contract/backends.ts';

// The short run. The long one: npm run chaos -- --seconds 600 --seed 1
describeContract(
  'chaos',
  (backend) => {
    // Where the machine is emulated, most of three seconds would go into starting so many.
    const seconds = process.env.ASHMEM_COMPAT_VM ? 9 : 3;
    const dropCaches = typeof backend.provoke === 'function';
    for (const [what, options] of [
      ['with slots to spare', { seconds: 5, seed: 1 }],
      ['with slots that are used again and again', { seconds: 3, seed: 2, maxProcesses: 12 }],
      ['with holder bits in rows', { seconds, seed: 3, maxProcesses: 130, idle: 57, nodeWorkers: 1 }],
    ] as const) {
      it(`loses nothing that was promised, and leaks nothing, ${what}`, async function () {
        this.timeout(120_000);
        const result = await chaos({ ...options, backend: backend.name, dropCaches });
        console.log(`        ${JSON.stringify(result)}`);
        expect(result.violations).to.equal(0);
        expect(result.leakedFds + result.leakedPins + result.leakedBytes).to.equal(0);
        expect(result.deaths).to.be.greaterThan(50);
        expect(result.told).to.be.greaterThan(1000);
        expect(result.checked).to.be.greaterThan(1000);
      });
    }
  },
  'sharing',
);
