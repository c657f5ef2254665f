import { expect } from 'chai';
import { cannotReclaimOthers, hasSwap, ReclaimPeer } from '../helpers/reclaim-peer.ts';
import { runProgram } from '../helpers/run-program.ts';

/** Runs the command line to its end. */
const run = (...args: string[]) => runProgram('lib/cli/main.ts', args).done;

describe('the command line', () => {
  it('--help: the commands, on standard output', async () => {
    const { code, output, errors } = await run('--help');
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
    expect(output)
      .to.match(/^Usage: ashmem-compat COMMAND/)
      .and.to.match(/^ {2}reclaim /m);
  });

  for (const args of [[], ['shrink'], ['toString']]) {
    it(`${JSON.stringify(args)}: 2, and the usage on standard error`, async () => {
      const { code, output, errors } = await run(...args);
      expect({ code, output }).to.deep.equal({ code: 2, output: '' });
      expect(errors).to.match(/^ashmem-compat: .*\n\nUsage: ashmem-compat COMMAND/);
    });
  }

  describe('reclaim', () => {
    const wrong: [string[], string][] = [
      [[], 'which PID?'],
      [['self'], 'PID must be a number, received self'],
      [['1', 'file', 'anon'], 'one PID and one kind, received also anon'],
      [['0'], 'pid must be an integer from 1 to 2147483647, received 0'],
      [['1', 'shared'], 'kind must be one of file, anon, all, received "shared"'],
      [['1', '--advice', 'free'], 'advice must be one of pageout, cold, received "free"'],
      [['1', '--start', '0x1001'], 'start must be a multiple of the page size'],
      [['1', '--start', '1e6'], '--start must be a number, received 1e6'],
      [['1', '--length', '0'], 'length must be an integer from 1'],
      [['1', '--force'], "Unknown option '--force'"],
    ];
    for (const [args, message] of wrong) {
      it(`${args.join(' ')}: ${message}`, async () => {
        const { code, output, errors } = await run('reclaim', ...args);
        expect({ code, output }).to.deep.equal({ code: 2, output: '' });
        expect(errors.slice(0, `ashmem-compat: ${message}`.length)).to.equal(`ashmem-compat: ${message}`);
        expect(errors).to.include('Usage: ashmem-compat reclaim PID');
      });
    }

    it('--help', async () => {
      const { code, output } = await run('reclaim', '--help');
      expect(code).to.equal(0);
      expect(output).to.include('--advice ADVICE');
    });

    it('a pid that nobody has: 1, and the code of the error', async () => {
      expect(await run('reclaim', '2147483647', 'file')).to.deep.equal({
        code: 1,
        output: '',
        errors: 'ashmem-compat: no process has this pid (ERR_NO_SUCH_PROCESS)\n',
      });
    });

    describe('a process', () => {
      let peer: ReclaimPeer;
      before(async function () {
        if (cannotReclaimOthers) {
          console.log(`      skipped: ${cannotReclaimOthers}`);
          this.skip();
        }
        peer = await ReclaimPeer.start();
      });
      after(() => peer?.end());

      it('prints what was advised and what changed', async () => {
        const { code, output, errors } = await run('reclaim', String(peer.pid));
        expect({ code, errors }).to.deep.equal({ code: 0, errors: '' });
        const lines = output.trimEnd().split('\n');
        expect(lines[0]).to.equal(`pageout of all memory of process ${peer.pid}, by process_madvise`);
        expect(lines[1]).to.match(
          /^ {2}advised \d+ mappings, [\d.]+ \w+ of addresses; skipped \d+, [\d.]+ \w+$/,
        );
        expect(output.includes('  anonymous memory was left out: the system has no swap\n')).to.equal(
          !hasSwap(),
        );
        expect(output).to.match(/^ {2}rss +[\d.]+ MiB +[\d.]+ \w+$/m);
        expect(output).to.match(/^ {2}[\d.]+ \w+ left the process; [\d.]+ \w+ more of it is in swap$/m);
        expect((await peer.check()).intact).to.equal(true);
      });

      it('--json, a range and an advice', async () => {
        const start = `0x${peer.address.toString(16)}`;
        const options = ['--json', '--advice', 'cold', '--start', start, '--length', String(peer.bytes)];
        const { code, output } = await run('reclaim', String(peer.pid), 'file', ...options);
        expect(code).to.equal(0);
        expect(JSON.parse(output)).to.include({
          pid: peer.pid,
          kind: 'file',
          advice: 'cold',
          means: 'process_madvise',
          mappings: 1,
          advised: peer.bytes,
        });
      });
    });
  });
});
