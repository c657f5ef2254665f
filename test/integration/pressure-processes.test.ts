import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { runProgram } from '../helpers/run-program.ts';

const run = (...args: string[]) =>
  runProgram('test/helpers/pressure-child.ts', args, { ...process.env, NODE_OPTIONS: '--expose-gc' }).done;

const workerUrl = new URL('../helpers/pressure-worker.mjs', import.meta.url);

describe('a process that hears of memory pressure', () => {
  for (const what of ['open', 'wait', 'shrinker', 'region', 'signal']) {
    it(`${what}: ends by itself`, async () => {
      expect(await run(what)).to.deep.equal({ code: 0, output: '', errors: '' });
    });
    it(`${what}, in a worker: ends by itself`, async () => {
      expect(await run('worker', what)).to.deep.equal({ code: 0, output: 'worker 0\n', errors: '' });
    });
  }

  it('awaits it at its top level: ends by itself, with the status that Node has for that', async () => {
    expect((await run('awaited')).code).to.equal(13);
  });

  it('ref(): is kept alive until close()', async () => {
    expect(await run('ref')).to.deep.equal({ code: 0, output: 'late\n', errors: '' });
    expect(await run('worker', 'ref')).to.deep.equal({ code: 0, output: 'late\nworker 0\n', errors: '' });
  });

  it('unref(): is not any more', async () => {
    expect(await run('unref')).to.deep.equal({ code: 0, output: '', errors: '' });
  });

  it('exits in the middle of it', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await run('exit')).to.deep.equal({ code: 7, output: 'told\n', errors: '' });
    }
    expect(await run('worker', 'exit')).to.deep.equal({ code: 0, output: 'told\nworker 7\n', errors: '' });
  });

  it('a monitor that nobody refers to goes on, as a timer does', async () => {
    expect(await run('collected')).to.deep.equal({ code: 0, output: 'told\n', errors: '' });
  });

  it('an error in a listener is an uncaught exception, and keeps nothing from others', async () => {
    expect(await run('throwing')).to.deep.equal({
      code: 0,
      output: 'caught first\nlevel pressure second\n',
      errors: '',
    });
    const { code, errors } = await run('uncaught');
    expect(code).to.equal(1);
    expect(errors).to.match(/Error: first\n/);
  });

  for (const what of ['endless', 'region', 'signal']) {
    it(`${what}: the worker was the only user of the addon, and has ended`, async () => {
      const program = `
        const { Worker } = require('node:worker_threads');
        const worker = new Worker(new URL(${JSON.stringify(workerUrl)}), { workerData: { command: '${what}' } });
        if ('${what}' === 'endless') setTimeout(() => worker.terminate(), 1000);
        // The watcher's thread goes on.
        worker.on('exit', () => setTimeout(() => console.log('alive'), 600));`;
      const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (text) => {
        output += text;
      });
      expect(await once(child, 'close')).to.deep.equal([0, null]);
      expect(output).to.match(/^(told\n)?alive\n$/);
    });
  }

  it('workers are terminated in the middle of it, again and again', async () => {
    for (let i = 0; i < 10; i++) {
      const worker = new Worker(workerUrl, { workerData: { command: 'endless' }, stdout: true });
      await once(worker.stdout, 'data');
      await worker.terminate();
    }
  });
});
