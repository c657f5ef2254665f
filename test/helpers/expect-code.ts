import { expect } from 'chai';
import { AshmemError } from '../../lib/index.ts';

/** Asserts that `fn` throws one of our errors with this code, of this class, and gives it back. */
export function expectCode(
  fn: () => unknown,
  code: string,
  type?: new (...args: never[]) => Error,
): AshmemError {
  let caught: unknown;
  try {
    fn();
  } catch (error) {
    caught = error;
  }
  expect(caught, `expected ${code}, but nothing was thrown`).to.not.equal(undefined);
  checkError(caught, code, type);
  return caught as AshmemError;
}

/** The same for a promise. */
export async function expectRejection(promise: Promise<unknown>, code: string): Promise<AshmemError> {
  let caught: unknown;
  await promise.catch((error) => {
    caught = error;
  });
  expect(caught, `expected ${code}, but it was fulfilled`).to.not.equal(undefined);
  checkError(caught, code);
  return caught as AshmemError;
}

function checkError(caught: unknown, code: string, type?: new (...args: never[]) => Error): void {
  expect((caught as AshmemError).code, String((caught as Error).stack)).to.equal(code);
  expect(caught).to.be.instanceOf(Error);
  expect(caught instanceof AshmemError, 'instanceof AshmemError').to.equal(true);
  if (type) expect(caught).to.be.instanceOf(type);
}
