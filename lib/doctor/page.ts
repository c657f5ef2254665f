// The page for a person. Pure: facts in, text out.

import { size } from '../cli/size.ts';
import type { Availability } from '../probe.ts';
import type { Advice } from './advice.ts';
import type { Facts, Limit, Maybe } from './facts.ts';
import { isUnreadable } from './facts.ts';

type Row = [name: string, value: string];

function said<T>(fact: Maybe<T>, show: (value: T) => string = String): string {
  return isUnreadable(fact) ? `not readable: ${fact.unreadable.split('\n')[0]}` : show(fact as T);
}

const yesNo = (value: boolean) => (value ? 'yes' : 'no');
const bytes = (value: number | null) => (value === null ? 'none' : size(value));
const count = (value: number | null) => (value === null ? 'unlimited' : String(value));

function limitRow(name: string, { soft, hard }: Limit, show: (value: number | null) => string): Row {
  return [name, soft === hard ? show(soft) : `${show(soft)}, can be raised to ${show(hard)}`];
}

function available(list: Maybe<Availability[]>): Row[] {
  if (isUnreadable(list)) return [['', said(list)]];
  // The reasons of what works are short, or empty.
  return list.map(({ name, available, reason }) => [
    name,
    available ? `available${reason === '' ? '' : `: ${reason}`}` : `not available: ${reason}`,
  ]);
}

function system(facts: Facts): Row[] {
  const rows: Row[] = [
    ['ashmem-compat', facts.package],
    ['Node', `${facts.node} for ${facts.platform} ${facts.arch}`],
    ['kernel', facts.kernel],
    ['libc', said(facts.libc)],
    ['page size', said(facts.pageSize)],
  ];
  if (facts.android !== undefined)
    rows.push(['Android', said(facts.android, ({ release, api }) => `${release} (API ${api})`)]);
  if (facts.termux !== undefined) rows.push(['Termux', facts.termux]);
  rows.push(['addon', said(facts.addon, ({ path, origin }) => `${origin}: ${path}`)]);
  if (!isUnreadable(facts.addon)) rows.push(...facts.addon.failed.map((line): Row => ['', `tried ${line}`]));
  return rows;
}

function security({ security }: Facts): Row[] {
  return [
    ['seccomp', said(security.seccomp)],
    ['no new privileges', said(security.noNewPrivileges, yesNo)],
    ['security module', said(security.securityModule)],
    ['capabilities', said(security.privileged, (value) => (value ? 'some' : 'none'))],
  ];
}

function limits({ limits, cgroup, memory }: Facts): Row[] {
  const rows: Row[] = isUnreadable(limits)
    ? [['limits', said(limits)]]
    : [
        limitRow('open files', limits.files, count),
        limitRow('processes', limits.processes, count),
        limitRow('address space', limits.addressSpace, bytes),
        limitRow('locked memory', limits.locked, bytes),
      ];
  rows.push([
    'cgroup',
    said(cgroup, ({ limit, high }) => `limit ${bytes(limit)}, memory.high ${bytes(high)}`),
  ]);
  rows.push([
    'memory',
    said(memory, (m) => `${size(m.available)} of ${size(m.total)} available, swap ${bytes(m.swap || null)}`),
  ]);
  return rows;
}

export function page(facts: Facts, advice: readonly Advice[]): string {
  const verdict = facts.sharing.works
    ? `Shared, purgeable regions work here, on ${facts.sharing.backend}.`
    : 'Shared, purgeable regions do NOT work here.';
  const trials: Row[] = [
    ['sharing', `${facts.sharing.works ? 'works' : 'fails'}: ${facts.sharing.detail}`],
    ['passing an fd', `${facts.passing.works ? 'works' : 'fails'}: ${facts.passing.detail}`],
  ];
  const sections: [string, Row[]][] = [
    ['System', system(facts)],
    ['Tried', trials],
    ['Backends', available(facts.backends)],
    ['Pressure sources', available(facts.pressure)],
    ['Security', security(facts)],
    ['Limits and memory', limits(facts)],
    ['Advice', advice.length === 0 ? [['', 'none']] : advice.map(({ about, line }): Row => [about, line])],
  ];
  const body = sections.map(([title, rows]) =>
    [title, ...rows.map(([name, value]) => `  ${name.padEnd(19)}${value}`.trimEnd())].join('\n'),
  );
  return [verdict, ...body].join('\n\n');
}
