// A round of an application's work with memjs: node memjs.js HOST PORT
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const memjs = require('memjs');

const [host, port] = process.argv.slice(2);

async function main() {
  const client = memjs.Client.create(`${host}:${port}`, { timeout: 20, retries: 0 });
  assert.equal((await client.get('absent')).value, null);
  assert.equal(await client.set('a', 'hello', { expires: 100 }), true);
  assert.equal((await client.get('a')).value.toString(), 'hello');
  assert.equal(await client.add('a', 'x', {}), false);
  assert.equal(await client.add('b', 'x', {}), true);
  assert.equal(await client.replace('absent', 'x', {}), false);
  assert.equal(await client.replace('b', 'y', {}), true);
  assert.equal(await client.append('a', ' world'), true);
  assert.equal((await client.get('a')).value.toString(), 'hello world'); // (its prepend appends)
  assert.equal((await client.increment('n', 5, { initial: 10 })).value, 10);
  assert.equal((await client.increment('n', 5, { initial: 10 })).value, 15);
  assert.equal((await client.decrement('n', 6, { initial: 10 })).value, 9);
  assert.equal(await client.touch('a', 100), true);
  assert.equal(await client.delete('b'), true);
  assert.equal(await client.delete('b'), false);

  const big = crypto.randomBytes(900_000);
  assert.equal(await client.set('big', big, {}), true);
  assert.ok(big.equals((await client.get('big')).value));

  await Promise.all(Array.from({ length: 300 }, (_, i) => client.set(`k:${i}`, String(i), {})));
  const values = await Promise.all(Array.from({ length: 300 }, (_, i) => client.get(`k:${i}`)));
  values.forEach((one, i) => assert.equal(one.value.toString(), String(i)));

  await new Promise((resolve, reject) => {
    client.stats((error, server, stats) => {
      if (error) return reject(error);
      assert.ok(Number(stats.curr_items) > 300);
      resolve();
    });
  });
  assert.equal(await client.flush().then(Boolean), true);
  assert.equal((await client.get('a')).value, null);
  client.close();
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
