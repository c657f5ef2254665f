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

  it('says of each number what it is, in lines that are its own', () => {
    using cache = VolatileCache.create({ name: 'images', capacity: 2 ** 20, maxEntries: 1024 });
    using pool = VolatilePool.create({ name: 'blocks', capacity: 2 ** 20, maxBlocks: 1024 });
    using region = SharedRegion.create({ name: 'frames', size: 8192 });
    const types = (kind: string, things: Parameters<typeof prometheus>[0]) =>
      prometheus(things)
        .split('\n')
        .filter((line) => line.startsWith('# TYPE '))
        .map((line) => line.replace(`# TYPE ashmem_compat_${kind}_`, ''))
        .sort();
    expect(types('cache', { cache })).to.deep.equal([
      'capacity_bytes gauge',
      'discarded_bytes_total counter',
      'entries gauge',
      'evicted_total counter',
      'expired_total counter',
      'fills_total counter',
      'fragmentation gauge',
      'hits_total counter',
      'max_entries gauge',
      'misses_total counter',
      'pinned_bytes gauge',
      'purged_total counter',
      'refilled_total counter',
      'resident_bytes gauge',
      'used_bytes gauge',
      'waits_total counter',
    ]);
    expect(types('pool', { pool })).to.deep.equal([
      'allocated_bytes gauge',
      'blocks gauge',
      'capacity_bytes gauge',
      'discarded_bytes_total counter',
      'doomed gauge',
      'fragmentation gauge',
      'live_bytes gauge',
      'max_blocks gauge',
      'pinned_bytes gauge',
      'purged_bytes gauge',
      'resident_bytes gauge',
    ]);
    expect(types('region', { region })).to.deep.equal([
      'pinned_bytes gauge',
      'purged_bytes gauge',
      'resident_bytes gauge',
      'size_bytes gauge',
      'unpinned_bytes gauge',
    ]);
    const lines = prometheus({ cache }).split('\n');
    expect(lines.pop()).to.equal('');
    for (let i = 0; i < lines.length; i += 3) {
      const [, metric, text] = /^# HELP (\w+) (.+)$/.exec(lines[i]!)!;
      expect(text).to.match(/^[A-Z`]|^stats\(\)\./);
      expect(lines[i + 1]).to.match(new RegExp(`^# TYPE ${metric} (gauge|counter)$`));
      expect(lines[i + 2]).to.match(new RegExp(`^${metric}\\{name="images"\\} \\d+$`));
    }
    expect(prometheus({ cache })).to.include(
      '# HELP ashmem_compat_cache_hits_total Gets that found their entry.\n',
    );
    expect(prometheus({ cache })).to.include(
      '# HELP ashmem_compat_cache_entries stats().entries of a cache.\n',
    );
  });

  it('tells the numbers of the moment', () => {
    using pool = VolatilePool.create({ name: 'blocks', capacity: 2 ** 20 });
    const value = (metric: string) =>
      byName(prometheus({ pool })).get(`ashmem_compat_pool_${metric}`)!.metrics[0]!.value;
    const block = pool.alloc(100_000);
    block.bytes.fill(1);
    expect(value('live_bytes')).to.equal('100000');
    expect(Number(value('fragmentation')))
      .to.equal(pool.stats().fragmentation)
      .and.to.be.within(0.001, 1);
    expect(value('pinned_bytes')).to.equal('100000');
    block.unpin();
    expect(value('pinned_bytes')).to.equal('0');
    pool.purge();
    expect(value('purged_bytes')).to.equal('100000');
    expect(Number(value('discarded_bytes_total'))).to.be.at.least(100_000);
  });

  it('names what things are called as Prometheus can take it', () => {
    const thing = (name: string, stats: object) => ({ name, stats: () => stats });
    const text = prometheus({ 'myThumbs-2': thing('one\ntwo "three" \\n', { maxEntries: 1, kind: 'x' }) });
    expect(text).to.equal(
      [
        '# HELP ashmem_compat_my_thumbs_2_max_entries stats().maxEntries of a myThumbs-2.',
        '# TYPE ashmem_compat_my_thumbs_2_max_entries gauge',
        'ashmem_compat_my_thumbs_2_max_entries{name="one\\ntwo \\"three\\" \\\\n"} 1',
        '',
      ].join('\n'),
    );
    expect(byName(text).get('ashmem_compat_my_thumbs_2_max_entries')!.metrics).to.deep.equal([
      { value: '1', labels: { name: 'one\ntwo "three" \\n' } },
    ]);
  });

  it('leaves a number out of those that do not have it', () => {
    const thing = (name: string, stats: object) => ({ name, stats: () => stats });
    const text = prometheus({ thing: [thing('a', { hits: 1 }), thing('b', { size: 2 })] });
    expect(text.split('\n').filter((line) => line && !line.startsWith('#'))).to.deep.equal([
      'ashmem_compat_thing_hits_total{name="a"} 1',
      'ashmem_compat_thing_size_bytes{name="b"} 2',
    ]);
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
