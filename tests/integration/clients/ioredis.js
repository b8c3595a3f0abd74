// A round of an application's work with ioredis: node ioredis.js MODULE HOST PORT
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');

const [moduleName, host, port] = process.argv.slice(2);
const { Redis } = require(moduleName);

async function main() {
  const redis = new Redis({ host, port: Number(port), db: 1, connectionName: 'worker',
                            maxRetriesPerRequest: 1 });
  const problems = [];
  redis.on('error', (problem) => problems.push(problem));
  await new Promise((resolve) => redis.once('ready', resolve)); // after its ready check: info

  assert.equal(await redis.set('a', '1', 'EX', 100), 'OK');
  assert.equal(await redis.get('a'), '1');
  assert.equal(await redis.incrby('a', 41), 42);
  assert.equal(await redis.client('GETNAME'), 'worker');
  assert.equal(await redis.hset('h', { x: 1, y: 2 }), 2);
  assert.deepEqual(await redis.hgetall('h'), { x: '1', y: '2' });
  assert.equal(await redis.zadd('z', 1, 'one', 2, 'two'), 2);
  assert.deepEqual(await redis.zrange('z', 0, -1), ['one', 'two']);

  const keys = Array.from({ length: 200 }, (_, i) => `m:${i}`);
  assert.equal(await redis.mset(Object.fromEntries(keys.map((key, i) => [key, i]))), 'OK');
  assert.deepEqual(await redis.mget([...keys, 'none']), [...keys.map((_, i) => String(i)), null]);
  assert.equal(await redis.del(...keys), 200);

  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; ++i) pipeline.set(`p:${i}`, i).get(`p:${i}`);
  const replies = await pipeline.exec();
  assert.equal(replies.length, 2000);
  replies.forEach(([error, reply], i) => {
    assert.equal(error, null);
    assert.equal(reply, i % 2 === 0 ? 'OK' : String((i - 1) / 2));
  });

  // All at once on one connection, without an explicit pipeline.
  const counts = await Promise.all(Array.from({ length: 500 }, () => redis.incr('count')));
  assert.deepEqual(counts, counts.map((_, i) => i + 1));

  const big = crypto.randomBytes(3_000_000);
  assert.equal(await redis.set('big', big), 'OK');
  assert.ok(big.equals(await redis.getBuffer('big')));

  redis.defineCommand('addTwice', {
    numberOfKeys: 1,
    lua: "redis.call('incrby', KEYS[1], ARGV[1]) return redis.call('incrby', KEYS[1], ARGV[1])",
  });
  assert.equal(await redis.addTwice('twice', 5), 10);
  await assert.rejects(redis.incr('h'), /WRONGTYPE/);
  await assert.rejects(redis.rename('m:1', 'none'));
  assert.equal(await redis.get('a'), '42');

  const copy = redis.duplicate({ db: 2 });
  assert.equal(await copy.get('a'), null);
  await copy.quit();
  assert.equal(await redis.quit(), 'OK');
  assert.deepEqual(problems, []);
}

// Without waiting for ioredis 5, which keeps a timer after quit().
main().then(() => process.exit(0), (problem) => {
  console.error(problem);
  process.exit(1);
});
