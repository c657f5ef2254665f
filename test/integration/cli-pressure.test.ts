import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { probe } from '../../lib/index.ts';
import { runProgram } from '../helpers/run-program.ts';

const root = join(import.meta.dirname, '../..');
const run = (...args: string[]) => runProgram('lib/cli/main.ts', ['pressure', ...args]).done;
const start = (...args: string[]) =>
  spawn(process.execPath, ['--import', 'tsx', 'lib/cli/main.ts', 'pressure', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });

const levels = ['none', 'low', 'medium', 'critical'];
/** The columns of a table's line; the last one has spaces in it. */
const columns = (line: string) => line.trim().split(/ {2,}/);

describe('the command line: pressure', () => {
  const wrong: [string[], string][] = [
    [['--interval', '0'], '--interval must be a whole number from 1'],
    [['--interval', '1.5'], '--interval must be a whole number from 1'],
    [['--count', 'many'], '--count must be a whole number from 1'],
    [['now'], "Unexpected argument 'now'"],
    [['--all'], "Unknown option '--all'"],
  ];
  for (const [args, message] of wrong) {
    it(`${args.join(' ')}: ${message}`, async () => {
      const { code, output, errors } = await run(...args);
      expect({ code, output }).to.deep.equal({ code: 2, output: '' });
      expect(errors.slice(0, `ashmem-compat: ${message}`.length)).to.equal(`ashmem-compat: ${message}`);
      expect(errors).to.include('Usage: ashmem-compat pressure');
    });
  }

  it('--help', async () => {
    const { code, output } = await run('--help');
    expect(code).to.equal(0);
    expect(output).to.include('--interval MS');
  });

  it('a line for each gauge below the headings, and tables one after the other', async () => {
    const { code, output, errors } = await run('--count', '2', '--interval', '1');
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(output).to.not.include('\x1b');
    const tables = output.trimEnd().split('\n\n');
    expect(tables.length).to.equal(2);
    const available = probe()
      .pressure.filter((source) => source.available)
      .map(({ name }) => name);
    for (const table of tables) {
      const [headings, ...lines] = table.split('\n');
      expect(columns(headings!)).to.deep.equal([
        'source',
        'limit',
        'available',
        'low',
        'medium',
        'critical',
        'level',
        'wanted',
        'what',
      ]);
      const rows = lines.map(columns);
      expect(rows.map(([source]) => source)).to.include('meminfo');
      for (const row of rows) {
        expect(row.length, row.join('|')).to.equal(9);
        expect(available).to.include(row[0]);
        expect(levels).to.include(row[6]);
      }
      const meminfo = rows.find(([source]) => source === 'meminfo')!;
      for (const cell of meminfo.slice(1, 6)) expect(cell).to.match(/^[\d.]+ [KMGT]iB$/);
      expect(meminfo[8]).to.equal('/proc/meminfo');
    }
  });

  it('--json: a line for each look, with bytes', async () => {
    const { code, output } = await run('--json', '--count', '2', '--interval', '1');
    expect(code).to.equal(0);
    const looks = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks.length).to.equal(2);
    for (const { time, gauges } of looks) {
      expect(new Date(time).toISOString()).to.equal(time);
      for (const gauge of gauges) expect(gauge).to.include.keys('source', 'where', 'level', 'wanted');
      const meminfo = gauges.find(({ source }: { source: string }) => source === 'meminfo');
      expect(levels).to.include(meminfo.level);
      expect(meminfo.available).to.be.within(1, meminfo.limit);
      expect(meminfo.low).to.be.at.least(meminfo.medium);
      expect(meminfo.medium).to.be.at.least(meminfo.critical);
    }
  });

  it('SIGINT ends it, in the middle of a long interval', async () => {
    const child = start('--interval', '999999999');
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await exit).to.deep.equal([0, null]);
  });

  it('a reader who goes away ends it, without a complaint', async () => {
    const child = start('--json', '--interval', '1');
    const exit = once(child, 'exit');
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    child.stdout.destroy();
    expect(await exit).to.deep.equal([0, null]);
    expect(errors).to.equal('');
  });

  it('on a terminal the table stays in its place', function () {
    const command = `"${process.execPath}" --import tsx lib/cli/main.ts pressure --count 3 --interval 1`;
    const { status, stdout, error } = spawnSync('script', ['-qec', `stty cols 40; ${command}`, '/dev/null'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (error) {
      console.log(`      skipped: no script(1) here: ${error.message}`);
      this.skip();
    }
    expect(status).to.equal(0);
    const tables = stdout.split('\x1b[J');
    expect(tables.length).to.equal(3);
    const lines = tables[0]!.trimEnd().split('\r\n').slice(0, -1);
    // Up by as many lines as there are, and none of them longer than the terminal is wide.
    expect(tables[0]!.endsWith(`\x1b[${lines.length}A`), JSON.stringify(tables[0])).to.equal(true);
    for (const line of lines) expect(line.length).to.be.at.most(40);
  });
});
