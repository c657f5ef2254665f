/** The package as it is shipped: compiled, not through the test runner's compiler. */
const load = async (name: string) => await import(new URL(`../../../dist/${name}.js`, import.meta.url).href);

export const { SharedRegion, FdChannel }: typeof import('../../../lib/index.ts') = await load('index');
export const { native }: typeof import('../../../lib/native.ts') = await load('native');
