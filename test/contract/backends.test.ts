import { expect } from 'chai';
import { probe } from '../../lib/index.ts';
import { backends, knownBackends, requiredBackends } from './backends.ts';

describe('the backends that the contract is tested on', () => {
  const reports = new Map(probe().backends.map((report) => [report.name, report]));

  for (const name of knownBackends) {
    const report = reports.get(name);
    if (report?.available) {
      it(`${name}: ${report.reason}`, () => {
        const backend = backends.find((one) => one.name === name)!;
        using region = backend.create(1);
        expect(region.backend).to.equal(name);
        expect(region.scope).to.equal(backend.scope);
      });
    } else if (requiredBackends.includes(name)) {
      it(`${name}, which ASHMEM_COMPAT_REQUIRE_BACKENDS asks for`, () => {
        expect.fail(`it does not work here: ${report?.reason}`);
      });
    } else {
      it(`${name}: skipped: ${report?.reason}`);
    }
  }

  it('are those that probe() knows', () => {
    expect([...reports.keys()]).to.have.members(knownBackends);
    expect(knownBackends).to.include.members(requiredBackends);
  });
});
