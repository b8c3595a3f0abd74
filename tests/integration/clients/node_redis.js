// A round of an application's work with node-redis: node node_redis.js MODULE HOST PORT RESP
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');

const [moduleName, host, port, resp] = process.argv.slice(2);
const { createClient, RESP_TYPES } = require(moduleName);

async function main() {
  const client = createClient({
    RESP: Number(resp), name: 'worker', database: 1, username: 'default', password: 'unasked',
    socket: { host, port: Number(port), reconnectStrategy: false },
  });
  const problems = [];
  client.on('error', (problem) => problems.push(problem));
  await client.connect();

  assert.equal(await client.set('a', '1', { EX: 100 }), 'OK');
  assert.equal(await client.get('a'), '1');
  assert.equal(await client.incrBy('a', 41), 42);
  assert.equal(await client.clientGetName(), 'worker');
  assert.equal(await client.hSet('h', { x: '1', y: '2' }), 2);
  assert.deepEqual({ ...await client.hGetAll('h') }, { x: '1', y: '2' });
  assert.equal(await client.zAdd('z', [{ score: 1.5, value: 'one' }, { score: 2, value: 'two' }]),
               2);
  assert.deepEqual((await client.zRangeWithScores('z', 0, -1)).map((one) => one.score), [1.5, 2]);
  assert.equal(await client.sAdd('s', ['x', 'y']), 2);
  assert.deepEqual([...await client.sMembers('s')].sort(), ['x', 'y']);

  const keys = Array.from({ length: 200 }, (_, i) => `m:${i}`);
  assert.equal(await client.mSet(keys.map((key, i) => [key, String(i)])), 'OK');
  assert.deepEqual(await client.mGet([...keys, 'none']), [...keys.map((_, i) => String(i)), null]);
  assert.equal(await client.del(keys), 200);

  // All at once on one connection: node-redis pipelines by itself.
  const counts = await Promise.all(Array.from({ length: 1000 }, () => client.incr('count')));
  assert.deepEqual(counts, counts.map((_, i) => i + 1));

  const big = crypto.randomBytes(3_000_000);
  assert.equal(await client.set('big', big), 'OK');
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.ok(big.equals(await binary.get('big')));

  assert.equal(await client.eval("return redis.call('incrby', KEYS[1], ARGV[1])",
                                 { keys: ['scripted'], arguments: ['7'] }), 7);
  await assert.rejects(client.incr('h'), /WRONGTYPE/);
  await assert.rejects(client.sendCommand(['NOSUCH', 'x']), /unknown command/);
  assert.equal(await client.get('a'), '42');
  assert.match(await client.info('server'), /redis_version/);

  const copy = client.duplicate({ database: 2 });
  copy.on('error', (problem) => problems.push(problem));
  await copy.connect();
  assert.equal(await copy.get('a'), null);
  await copy.close();
  await client.close();
  assert.deepEqual(problems, []);
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
