/** The package as it is shipped: compiled, not through the test runner's compiler. */
const load = async (name: string) => await import(new URL(`../../../dist/${name}.js`, import.meta.url).href);

export const { SharedRegion }: typeof import('../../../lib/region/shared-region.ts') = await load('index');
export const { probe }: typeof import('../../../lib/probe.ts') = await load('probe');
export const { FdChannel }: typeof import('../../../lib/channel/fd-channel.ts') =
  await load('channel/fd-channel');
export const { native }: typeof import('../../../lib/native.ts') = await load('native');
