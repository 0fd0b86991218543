// SPDX-License-Identifier: MIT
// The official OpenAI SDK through the agent: chat, streamed chat, embeddings, images, errors, and
// what happens when the first target stops in the middle of a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Platform } from './platform.mjs';

const platform = new Platform();
let client, first, second;

before(async () => {
  first = await platform.vendor('first');
  second = await platform.vendor('second');
  await platform.agent();
  for (const service of ['gpt-4', 'embeddings', 'dalle']) {
    await platform.key(service, `first-${service}`, 'primary', `${first.url}/v1`);
    await platform.key(service, `second-${service}`, 'secondary', `${second.url}/v1`);
  }
  client = new OpenAI({ apiKey: 'sk-any', baseURL: `${platform.gateway}/v1`, maxRetries: 0 });
});

after(async () => {
  const codes = await platform.stop();
  assert.ok(codes.every((code) => code === 0), `exit codes ${codes}`);
});

const messages = [{ role: 'user', content: 'Say hello.' }];

async function streamed(options) {
  const chunks = [];
  const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true,
    ...options });
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test('chat', async () => {
  const answer = await client.chat.completions.create({ model: 'chat', messages });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.ok(answer.usage.total_tokens > 0);
  assert.ok(answer._request_id);
});

test('an alias and vendor/service name the same feature', async () => {
  for (const model of ['gpt-4', 'openai/gpt-4']) {
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].finish_reason, 'stop');
  }
});

test('streamed chat ends with a finish reason and without an unasked usage chunk', async () => {
  const chunks = await streamed({});
  assert.ok(chunks.length > 2);
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('').length > 0);
});

test('streamed chat gives the usage chunk to who asked', async () => {
  const chunks = await streamed({ stream_options: { include_usage: true } });
  assert.equal(chunks.at(-1).choices.length, 0);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
});

test('embeddings', async () => {
  const answer = await client.embeddings.create({ model: 'embeddings', input: ['one', 'two'] });
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data[0].embedding.length > 1);
  assert.ok(answer.data[0].embedding.every((value) => Number.isFinite(value)));
});

test('images', async () => {
  const answer = await client.images.generate({ model: 'text_to_image', prompt: 'a cat', n: 1,
    size: '1024x1024' });
  assert.equal(answer.data.length, 1);
  assert.ok(answer.data[0].b64_json || answer.data[0].url);
});

test('streamed images', async () => {
  const events = [];
  const stream = await client.images.generate({ model: 'text_to_image', prompt: 'a cat',
    stream: true });
  for await (const event of stream) events.push(event);
  assert.deepEqual(events.map((event) => event.type), ['image_generation.completed']);
  assert.ok(events[0].b64_json.length > 8 && events[0].usage);
});

test('models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  for (const id of ['chat', 'embeddings', 'text_to_image']) assert.ok(ids.includes(id), id);
  assert.equal((await client.models.retrieve('chat')).id, 'chat');
});

test('an unknown model is the SDK\'s NotFoundError', async () => {
  await assert.rejects(client.chat.completions.create({ model: 'no-such-model', messages }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
});

test('a client that stops reading stops the vendor', async () => {
  const before = (await (await fetch(`${first.url}/_sim/stats`)).json());
  const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true,
    user: 'vendord:tokens:2000;pace_ms:20' });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    stream.controller.abort();
    break;
  }
  const end = Date.now() + 20000;
  for (;;) {
    const now = await (await fetch(`${first.url}/_sim/stats`)).json();
    if (now.streams.aborted > before.streams.aborted) break;
    assert.ok(Date.now() < end, `the vendor was not stopped: ${JSON.stringify(now)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test('stopping the first target loses no request that had not begun to stream', async () => {
  const running = [];
  for (let i = 0; i < 120; i++) {
    running.push(i % 4 === 3 ? streamed({})
      : client.chat.completions.create({ model: 'chat', messages }));
    if (i === 40) first.child.kill('SIGKILL');
    if (i % 10 === 9) await Promise.allSettled(running.slice(-5));
  }
  platform.children = platform.children.filter((child) => child !== first.child);
  const ended = await Promise.allSettled(running);
  const lost = ended.filter((end) => end.status === 'rejected' &&
    end.reason.code !== 'stream_interrupted');
  assert.deepEqual(lost.map((end) => String(end.reason)), []);
  const answer = await client.chat.completions.create({ model: 'chat', messages });
  assert.ok(answer.choices[0].message.content);
});
