import { expect } from 'chai';
import { reclaim } from '../../lib/index.ts';
import { expectRejection } from '../helpers/expect-code.ts';
import { pageSize as page } from '../helpers/page.ts';

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what these tests are about
type Any = any;

describe('arguments of reclaim', () => {
  const self = process.pid;
  const wrongTypes = ['1', null, {}, [], 1n, true, () => 1, Symbol('s')];
  const rows: [string, unknown[], string, new (...args: never[]) => Error][] = [
    ['nothing at all', [], 'ERR_INVALID_ARG_TYPE', TypeError],
    ...wrongTypes.map((pid) => [`pid ${String(pid)}`, [pid], 'ERR_INVALID_ARG_TYPE', TypeError] as Any),
    ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, -(2 ** 40)].map(
      (pid) => [`pid ${pid}`, [pid], 'ERR_OUT_OF_RANGE', RangeError] as Any,
    ),
    ['kind 1', [self, 1], 'ERR_INVALID_ARG_TYPE', TypeError],
    ['kind null', [self, null], 'ERR_INVALID_ARG_TYPE', TypeError],
    ["kind 'shared'", [self, 'shared'], 'ERR_INVALID_ARG_VALUE', TypeError],
    ['options null', [self, 'file', null], 'ERR_INVALID_ARG_TYPE', TypeError],
    ['options a string', [self, 'file', 'cold'], 'ERR_INVALID_ARG_TYPE', TypeError],
    ['advice 20', [self, 'file', { advice: 20 }], 'ERR_INVALID_ARG_TYPE', TypeError],
    ["advice 'free'", [self, 'file', { advice: 'free' }], 'ERR_INVALID_ARG_VALUE', TypeError],
    ['start a string', [self, 'file', { start: '0' }], 'ERR_INVALID_ARG_TYPE', TypeError],
    ['start -4096', [self, 'file', { start: -page }], 'ERR_OUT_OF_RANGE', RangeError],
    ['start half a page', [self, 'file', { start: page / 2 }], 'ERR_OUT_OF_RANGE', RangeError],
    ['start 2^53', [self, 'file', { start: 2 ** 53 }], 'ERR_OUT_OF_RANGE', RangeError],
    ['length 0', [self, 'file', { length: 0 }], 'ERR_OUT_OF_RANGE', RangeError],
    ['length 1.5', [self, 'file', { length: 1.5 }], 'ERR_OUT_OF_RANGE', RangeError],
    ['length a bigint', [self, 'file', { length: 1n }], 'ERR_INVALID_ARG_TYPE', TypeError],
    [
      'an end beyond 2^53',
      [self, 'file', { start: 2 ** 52, length: 2 ** 52 }],
      'ERR_OUT_OF_RANGE',
      RangeError,
    ],
  ];
  for (const [what, args, code, type] of rows) {
    it(`${what}: ${code}`, async () => {
      const error = await expectRejection((reclaim as Any)(...args), code);
      expect(error).to.be.instanceOf(type);
    });
  }

  it('the message names the parameter, what was expected, and what came', async () => {
    const error = await expectRejection(reclaim(self, 'file', { start: page + 1 }), 'ERR_OUT_OF_RANGE');
    expect(error.message).to.equal(
      `start must be a multiple of the page size (${page}), received ${page + 1}`,
    );
  });

  it('a range in which nothing is mapped is no error', async () => {
    const result = await reclaim(self, 'file', { start: page, length: 1 });
    expect(result).to.include({ pid: self, kind: 'file', advice: 'pageout', mappings: 0, advised: 0 });
  });
});
