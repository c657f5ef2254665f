import { expect } from 'chai';
import type { SharedRegion } from '../../lib/index.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';
import { wrongNumbers, wrongTypes } from '../helpers/wrong-values.ts';
import { describeContract } from './backends.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;

describeContract('arguments that are ranges', (backend) => {
  let region: SharedRegion;
  beforeEach(() => {
    region = backend.create(4 * page + 10);
  });
  afterEach(() => region.close());

  const methods: Record<string, (offset: Any, length: Any) => unknown> = {
    pin: (offset, length) => region.pin(offset, length),
    'pin with lost': (offset, length) => region.pin(offset, length, []),
    unpin: (offset, length) => region.unpin(offset, length),
    pinStatus: (offset, length) => region.pinStatus(offset, length),
    purge: (offset, length) => region.purge(offset, length),
    access: (offset, length) => region.access(offset, length, () => 1),
    tryRead: (offset, length) => region.tryRead(offset, length, () => 1),
  };
  for (const [name, call] of Object.entries(methods)) {
    it(`${name} refuses what is no range of units, with the value in the message`, () => {
      for (const offset of [...wrongNumbers, 1, page - 1, 4 * page + 10, 5 * page]) {
        const error = expectCode(() => call(offset, page), 'ERR_INVALID_RANGE', RangeError);
        expect(error.message).to.include(String(offset));
      }
      for (const length of [...wrongNumbers, 0, 1, page + 1, 5 * page, 4 * page + 11]) {
        expectCode(() => call(0, length), 'ERR_INVALID_RANGE', RangeError);
      }
      expectCode(() => call(4 * page, 9), 'ERR_INVALID_RANGE', RangeError);
      for (const wrong of wrongTypes) {
        expectCode(() => call(wrong, page), 'ERR_INVALID_ARG_TYPE', TypeError);
        expectCode(() => call(0, wrong), 'ERR_INVALID_ARG_TYPE', TypeError);
      }
      expect(region.pinStatus()).to.equal('pinned');
    });
  }

  it('view takes any bytes within the region', () => {
    expect(region.view(4 * page + 3, 7).length).to.equal(7);
    expect(region.view(4 * page + 10, 0).length).to.equal(0);
    for (const [offset, length] of [
      [0, 4 * page + 11],
      [1, -1],
      [-1, 1],
      [0.5, 1],
      [4 * page + 11, 0],
    ] as const) {
      expectCode(() => region.view(offset, length), 'ERR_INVALID_RANGE', RangeError);
    }
    expectCode(() => region.view('0' as Any, 1), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => (region.view as Any)(), 'ERR_INVALID_ARG_TYPE', TypeError);
  });

  it('callbacks and lists must be what they should', () => {
    expectCode(() => region.access(0, page, 1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => region.tryRead(0, page, 1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => region.pin(0, page, {} as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => region.pin(0, page, Object.freeze([]) as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
    expectCode(() => region.protect('write' as Any), 'ERR_INVALID_ARG_VALUE', TypeError);
    expectCode(() => region.protect(1 as Any), 'ERR_INVALID_ARG_TYPE', TypeError);
  });
});
