// Proof that regions work here: one is made, shared, lost and read. What probe() says is hearsay beside it.

import type { Trial } from './facts.ts';

type Library = typeof import('../index.ts');
type Region = ReturnType<Library['SharedRegion']['create']>;

class Failed extends Error {}

function expect(seen: unknown, expected: unknown, what: string): void {
  if (seen !== expected) throw new Failed(`${what}: expected ${expected}, saw ${seen}`);
}

function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return code === undefined ? String(message ?? error) : `${message} (${code})`;
}

/** Kept while pinned, kept while unpinned and untouched, lost when purged, and the loss is told to both who have it. */
function share({ SharedRegion }: Library, region: Region): void {
  const size = region.size;
  const other = SharedRegion.fromFd(region.fd, { reclaimer: false });
  try {
    region.view(0, size).fill(0x5a);
    expect(other.view(size - 1, 1)[0], 0x5a, 'a byte, read through a second mapping');
    other.pin();
    region.unpin();
    expect(region.purge(), 0, 'bytes discarded while another has them pinned');
    other.unpin();
    expect(region.pinStatus(), 'unpinned', 'the state after the last unpin');
    region.purge();
    expect(region.pin(), 'purged', 'the first pin after the loss');
    expect(other.pin(), 'purged', "another object's first pin after the loss");
    expect(region.view(0, 1)[0], 0, 'a discarded byte');
    region.view(0, 1)[0] = 1;
    region.unpin();
    other.unpin();
    // A kernel that discards by itself may have done so just now; then it must have been said.
    const state = region.pin();
    expect(
      region.view(0, 1)[0],
      state === 'kept' ? 1 : 0,
      `a byte that was written after the loss and is ${state}`,
    );
  } finally {
    other.close();
  }
}

export async function tryRegions(library: Library): Promise<{ sharing: Trial; passing: Trial }> {
  let region: Region;
  try {
    // The reclaimer would be right to take what is unpinned, and the trial would see a loss of another's making.
    region = library.SharedRegion.create({
      name: 'doctor',
      size: 4 * library.probe().pageSize,
      reclaimer: false,
    });
  } catch (error) {
    const failed = { works: false, backend: '', detail: reasonOf(error) };
    return { sharing: failed, passing: { ...failed, detail: 'there is no region to pass' } };
  }
  const { backend } = region;
  try {
    const sharing: Trial = {
      works: true,
      backend,
      detail: 'made, shared, pinned, purged, and the loss told',
    };
    try {
      share(library, region);
    } catch (error) {
      Object.assign(sharing, { works: false, detail: reasonOf(error) });
    }
    const passing: Trial = { works: true, backend, detail: 'sent over a unix socket, and the same memory' };
    try {
      await pass(library, region);
    } catch (error) {
      Object.assign(passing, { works: false, detail: reasonOf(error) });
    }
    return { sharing, passing };
  } finally {
    region.close();
  }
}

async function pass({ FdChannel }: Library, region: Region): Promise<void> {
  const [here, there] = FdChannel.pair();
  try {
    await here.sendRegion(region);
    const received = (await there.receiveRegion()).region;
    try {
      region.view(1, 1)[0] = 0xa5;
      expect(received.view(1, 1)[0], 0xa5, 'a byte, read through the fd that arrived');
    } finally {
      received.close();
    }
  } finally {
    here.close();
    there.close();
  }
}
