// A Node process that works on the pool in fd 3, for tests. Usage: pool-child.ts COMMAND [NUMBER...]
//   read HANDLE: pin, say the state and the first byte · hold HANDLE: pin, say "ready", stay · make SIZE COUNT: allocate blocks full of their
//   number, say their handles · untold SIZE: allocate, say "ready", stay · churn COUNT SEED: allocate, write, check and free, say "done" ·
//   free HANDLE
import { type Block, VolatilePool } from '../../lib/index.ts';
import { random } from './random.ts';

const [command, ...rest] = process.argv.slice(2);
const [first = 0, second = 0] = rest.map(Number);
const stay = () => setInterval(() => pool.capacity, 1000);

function churn(count: number, seed: number): string {
  const below = random(seed);
  const blocks: { block: Block; value: number }[] = [];
  for (let i = 0; i < count; i++) {
    if (blocks.length < 20 && below(10) < 6) {
      const block = pool.alloc(1 + below(9000));
      const value = below(256);
      block.bytes.fill(value);
      blocks.push({ block, value });
    } else if (blocks.length > 0) {
      const { block, value } = blocks.splice(below(blocks.length), 1)[0]!;
      if (!block.bytes.every((byte) => byte === value)) return 'overwritten';
      block.free();
    }
  }
  for (const { block } of blocks) block.free();
  return 'done';
}

const pool = VolatilePool.fromFd(3);
try {
  if (command === 'read') {
    const block = pool.block(first);
    const state = block.pin();
    console.log(`${state} ${block.bytes[0]} ${block.size}`);
  } else if (command === 'hold') {
    pool.block(first).pin();
    console.log('ready');
    stay();
  } else if (command === 'make') {
    const handles = Array.from({ length: second }, (_, i) => {
      const block = pool.alloc(first);
      block.bytes.fill(i + 1);
      return block.handle;
    });
    console.log(JSON.stringify(handles));
  } else if (command === 'untold') {
    pool.alloc(first).bytes.fill(1);
    console.log('ready');
    stay();
  } else if (command === 'churn') {
    console.log(churn(first, second));
  } else if (command === 'free') {
    pool.block(first).free();
    console.log('freed');
  }
} catch (error) {
  console.log((error as { code?: string }).code ?? String(error));
}
