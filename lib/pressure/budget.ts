import { type Priority, priorities } from '../region/priority.ts';
import type { NativeVerdict } from './native-types.ts';

/** After which regions a shrinker is asked: those of its priority, or, with 'last', all. In the order in which they are asked. */
export const turns = [...priorities, 'last'] as const;
export type Turn = Priority | 'last';

/** Bytes that the shrinkers of each turn, and those before it, may be asked for in all; 0 for those whose turn has not come. */
export type Budget = Record<Turn, number>;

const freed = (verdict: NativeVerdict) => [verdict.freedCheap, verdict.freedNormal, verdict.freedPrecious];

/**
 * What a verdict asks of the shrinkers. All of them stand for what the regions could not give: of a limit that is near, `remaining`; of shrink
 * signals, what has come to `unmet` since the verdict before. Those with a priority stand beside the regions: once the regions of their
 * priority, and of the cheaper ones, have nothing left, they give as much as dearer regions have been made to since the verdict before.
 *
 * @param coming bytes that shrinkers were asked for before, and are at work on: a limit does not know of them yet
 */
export function budget(before: NativeVerdict, now: NativeVerdict, coming = 0): Budget {
  const ofLimit = now.source === 'signal' ? 0 : Math.max(0, now.remaining - coming);
  const ofSignals = Math.max(0, now.unmet - before.unmet);
  const given = freed(now).map((bytes, i) => Math.max(0, bytes - freed(before)[i]!));
  const of = (turn: Turn, dearer: number) => {
    const classes = turn === 'last' ? 3 : priorities.indexOf(turn) + 1;
    const mask = 2 ** classes - 1;
    return ofSignals + ((now.exhausted & mask) === mask ? ofLimit + dearer : 0);
  };
  const [, normal = 0, precious = 0] = given;
  return {
    cheap: of('cheap', normal + precious),
    normal: of('normal', precious),
    precious: of('precious', 0),
    last: of('last', 0),
  };
}
