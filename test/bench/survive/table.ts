import type { Row } from './scenarios/scenario.ts';

const header = ['scenario', 'bar', 'measured', 'verdict'];

function verdict({ met, skipped }: Row): string {
  if (skipped !== undefined) return `skipped: ${skipped}`;
  if (met === undefined) return '';
  return met ? 'pass' : 'FAIL';
}

/** As a Markdown table, aligned for a terminal, and below it what failed in which run. */
export function table(rows: readonly Row[]): string {
  const cells = [header, ...rows.map((row) => [row.what, row.bar, row.measured, verdict(row)])];
  const widths = header.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  const line = (words: readonly string[]) =>
    `| ${words.map((word, i) => word.padEnd(widths[i]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const failures = rows.flatMap(({ what, failures }) => (failures ?? []).map((text) => `${what}: ${text}`));
  return [
    line(cells[0]!),
    rule,
    ...cells.slice(1).map(line),
    ...(failures.length > 0 ? ['', ...failures] : []),
  ].join('\n');
}
