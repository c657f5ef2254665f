/** Numbers that are no size, offset or length. */
export const wrongNumbers = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 70, -(2 ** 40)];

/** Values that are no number. */
export const wrongTypes = ['1', null, {}, [], 1n, true, () => 1, Symbol('s')];
