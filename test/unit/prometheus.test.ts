import { expect } from 'chai';
import parse from 'parse-prometheus-text-format';
import { prometheus, SharedRegion, VolatileCache, VolatilePool } from '../../lib/index.ts';

const byName = (text: string) => new Map(parse(text).map((family) => [family.name, family]));

describe('prometheus', () => {
  it('tells every number of a cache and a region, each once', () => {
    using cache = VolatileCache.create({ name: 'a "quoted" \\ name', capacity: 2 ** 20 });
    using other = VolatileCache.create({ name: 'other', capacity: 2 ** 20 });
    using region = SharedRegion.create({ name: 'frames', size: 8192 });
    using pool = VolatilePool.create({ name: 'blocks', capacity: 2 ** 20 });
    cache.set('key', Buffer.alloc(10));
    cache.get('key')?.release();
    cache.get('nothing');
    const families = byName(prometheus({ cache: [cache, other], pool, region }));
    const numbers = Object.values(cache.stats()).filter((value) => typeof value === 'number').length;
    const ofRegion = Object.keys(region.stats()).length;
    expect(families.size).to.equal(numbers + ofRegion + Object.keys(pool.stats()).length);
    const hits = families.get('ashmem_compat_cache_hits_total')!;
    expect(hits.type).to.equal('COUNTER');
    expect(hits.metrics).to.deep.equal([
      { value: '1', labels: { name: 'a "quoted" \\ name' } },
      { value: '0', labels: { name: 'other' } },
    ]);
    expect(families.get('ashmem_compat_cache_misses_total')!.metrics[0]!.value).to.equal('1');
    expect(families.get('ashmem_compat_pool_purged_bytes')!.type).to.equal('GAUGE');
    expect(families.get('ashmem_compat_pool_max_blocks')!.metrics[0]!.labels).to.deep.equal({
      name: 'blocks',
    });
    const pinned = families.get('ashmem_compat_region_pinned_bytes')!;
    expect(pinned.type).to.equal('GAUGE');
    expect(pinned.metrics).to.deep.equal([{ value: '8192', labels: { name: 'frames' } }]);
    expect(families.get('ashmem_compat_region_purged_bytes')!.type).to.equal('GAUGE');
    expect(families.get('ashmem_compat_cache_purged_total')!.type).to.equal('COUNTER');
  });

  it('a prefix, nothing, and what is nothing', () => {
    using region = SharedRegion.create({ size: 4096 });
    expect(prometheus({ region }, { prefix: 'app' })).to.match(
      /^# HELP app_region_size_bytes .*\n# TYPE app_region_size_bytes gauge\napp_region_size_bytes\{name=""\} 4096\n/,
    );
    expect(prometheus({})).to.equal('');
    expect(() => prometheus(undefined as never))
      .to.throw(TypeError)
      .with.property('code', 'ERR_INVALID_ARG_TYPE');
    region.close();
    expect(() => prometheus({ region }))
      .to.throw()
      .with.property('code', 'ERR_REGION_CLOSED');
  });
});
