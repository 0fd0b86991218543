// SPDX-License-Identifier: MIT
// Runs conversations of the AI SDK, line by line as frameworks.py does.
import { createInterface } from 'node:readline';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';

const calls = [];
const weather = tool({ description: 'The weather in a city.',
  inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } },
    required: ['city'] }),
  execute: async (input) => {
    calls.push(['weather', input]);
    return 'sunny';
  } });

function providerOf(call) {
  const options = { apiKey: 'sk-any', baseURL: `${call.base_url}/v1` };
  if (call.client === 'ai-anthropic') return createAnthropic(options);
  if (call.client === 'ai-compatible') {
    return createOpenAICompatible({ name: 'gateway', includeUsage: true, ...options });
  }
  return createOpenAI(options);
}

function modelOf(call) {
  const provider = providerOf(call);
  return call.client === 'ai-chat' ? provider.chat(call.model) : provider(call.model);
}

async function converse(call) {
  const ask = { model: modelOf(call), prompt: `What is it like in Paris?${'!'.repeat(call.more ?? 0)}`,
    maxRetries: 0, stopWhen: stepCountIs(5),
    // Items of earlier turns are sent, not named: nothing is stored for who speaks Responses.
    providerOptions: { openai: { store: false } }, ...(call.tools ? { tools: { weather } } : {}) };
  calls.length = 0;
  let failed;
  const got = call.stream ? streamText({ ...ask, onError: ({ error }) => { failed = error; } })
    : await generateText(ask);
  if (call.stream) await got.consumeStream();
  if (failed) throw failed;
  return { ok: true, text: await got.text, calls: [...calls],
    tokens: (await got.usage).totalTokens };
}

async function embed(call) {
  const { embeddings } = await embedMany({ model: providerOf(call).textEmbeddingModel(call.model),
    values: ['one', 'two'], maxRetries: 0 });
  return { ok: true, vectors: embeddings };
}

async function run(call) {
  try {
    return await (call.embed ? embed(call) : converse(call));
  } catch (error) {
    return { ok: false, class: error.name, message: String(error.message).slice(0, 500),
      status: error.statusCode ?? null };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
